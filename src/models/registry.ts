import type { z } from "zod";
import { entry, registry } from "../util/index.js";
import { cnnLarge, cnnOptions, cnnSmall } from "./cnn.js";
import type { Model } from "./model.js";
import { preactResnet18 } from "./preact-resnet.js";
import {
  imagenetResnet18,
  imagenetResnet34,
  imagenetResnet50,
  imagenetResnetOptions,
  resnet18,
  resnet34,
  resnet50,
  resnetOptions,
} from "./resnet.js";
import { vgg11Bn, vgg13Bn, vgg16Bn, vggOptions } from "./vgg.js";
import { vitB, vitOptions, vitS, vitTi } from "./vit.js";
import { wideResnetOptions, wrn28x4, wrn28x10, wrn34x10, wrn40x2 } from "./wide-resnet.js";

/** What a model is built from besides its options. */
export interface ModelContext {
  /** Of the initial weights. */
  readonly seed: number;
}

function row<O extends z.ZodObject>(
  summary: string,
  options: O,
  create: (options: z.output<O> & { readonly seed: number }) => Model,
) {
  return entry({ summary, options, create: (given, { seed }: ModelContext) => create({ ...given, seed }) });
}

export const models = registry("model", {
  resnet18: row("CIFAR ResNet-18 (He et al. 2016), 11.2 M weights at width 64", resnetOptions, resnet18),
  resnet34: row("CIFAR ResNet-34, 21.3 M weights at width 64", resnetOptions, resnet34),
  resnet50: row("CIFAR ResNet-50 of bottlenecks, 23.5 M weights at width 64", resnetOptions, resnet50),
  preactresnet18: row("CIFAR PreAct ResNet-18 of AWP, 11.2 M weights at width 64", resnetOptions, preactResnet18),
  vgg11_bn: row("CIFAR VGG-11 with batch norm, four poolings, 9.8 M weights", vggOptions, vgg11Bn),
  vgg13_bn: row("CIFAR VGG-13 with batch norm, four poolings, 10.0 M weights", vggOptions, vgg13Bn),
  vgg16_bn: row("CIFAR VGG-16 with batch norm of HYDRA and HARP, 15.3 M weights", vggOptions, vgg16Bn),
  wrn_28_4: row("WRN-28-4 (Zagoruyko and Komodakis 2016), 5.8 M weights", wideResnetOptions, wrn28x4),
  wrn_28_10: row("WRN-28-10, 36.5 M weights", wideResnetOptions, wrn28x10),
  wrn_34_10: row("WRN-34-10, 46.2 M weights", wideResnetOptions, wrn34x10),
  wrn_40_2: row("WRN-40-2, 2.2 M weights", wideResnetOptions, wrn40x2),
  cnn_small: row("two convolutions for MNIST (Wong and Kolter 2018), 0.17 M weights", cnnOptions, cnnSmall),
  cnn_large: row("four convolutions for MNIST (Wong and Kolter 2018), 2.0 M weights", cnnOptions, cnnLarge),
  imagenet_resnet18: row(
    "ImageNet ResNet-18 as in torchvision, 11.7 M weights",
    imagenetResnetOptions,
    imagenetResnet18,
  ),
  imagenet_resnet34: row(
    "ImageNet ResNet-34 as in torchvision, 21.8 M weights",
    imagenetResnetOptions,
    imagenetResnet34,
  ),
  imagenet_resnet50: row(
    "ImageNet ResNet-50 as in torchvision, 25.6 M weights",
    imagenetResnetOptions,
    imagenetResnet50,
  ),
  vit_ti: row("vision transformer of DeiT-Ti's size, 5.4 M weights at 32 pixels", vitOptions.vit_ti, vitTi),
  vit_s: row("vision transformer of DeiT-S's size, 21.3 M weights at 32 pixels", vitOptions.vit_s, vitS),
  vit_b: row("vision transformer of DeiT-B's size, 85.2 M weights at 32 pixels", vitOptions.vit_b, vitB),
});
