// Shapes of the prunable weights of the field's networks, shortcuts behind their blocks: budgets need nothing more.
import type { Shapes } from "../../src/pruning/budgets.js";

type Shape = readonly number[];

const named = (shapes: readonly Shape[]): Shapes => new Map(shapes.map((shape, i) => [String(i), { shape }]));
const conv = (outputs: number, inputs: number, kernel: number): Shape => [outputs, inputs, kernel, kernel];

/** CIFAR ResNet-18. */
export function resnet18Shapes(): Shapes {
  const blocks = [64, 128, 256, 512].flatMap((width, stage) => {
    const inputs = stage === 0 ? width : width / 2;
    const shortcut = stage === 0 ? [] : [conv(width, inputs, 1)];
    return [conv(width, inputs, 3), conv(width, width, 3), ...shortcut, conv(width, width, 3), conv(width, width, 3)];
  });
  return named([conv(64, 3, 3), ...blocks, [10, 512]]);
}

/** CIFAR VGG16-BN with four pools and three linear layers. */
export function vgg16Shapes(): Shapes {
  const widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512];
  const convolutions = widths.map((width, i) => conv(width, widths[i - 1] ?? 3, 3));
  return named([...convolutions, [256, 2048], [256, 256], [10, 256]]);
}

/** WRN-28-4. */
export function wideResnet28x4Shapes(): Shapes {
  const blocks = [64, 128, 256].flatMap((width, stage) => {
    const inputs = stage === 0 ? 16 : width / 2;
    const rest = Array.from({ length: 3 }, () => [conv(width, width, 3), conv(width, width, 3)]).flat();
    return [conv(width, inputs, 3), conv(width, width, 3), conv(width, inputs, 1), ...rest];
  });
  return named([conv(16, 3, 3), ...blocks, [10, 256]]);
}

/** ResNet-50 for ImageNet. */
export function resnet50Shapes(): Shapes {
  const depths = [3, 4, 6, 3];
  const blocks = [64, 128, 256, 512].flatMap((width, stage) => {
    const before = stage === 0 ? 64 : width * 2;
    return Array.from({ length: depths[stage] as number }, (_, i) => {
      const inputs = i === 0 ? before : width * 4;
      const shortcut = i === 0 ? [conv(width * 4, inputs, 1)] : [];
      return [conv(width, inputs, 1), conv(width, width, 3), conv(width * 4, width, 1), ...shortcut];
    }).flat();
  });
  return named([conv(64, 3, 7), ...blocks, [1000, 2048]]);
}
