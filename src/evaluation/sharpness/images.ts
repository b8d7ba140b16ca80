// The images that a state is measured on: the first of a split, and adversarial examples made once against that state.
import type { Attack, Threat } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import type { RobustLoss } from "../../losses/index.js";
import { noGrad, ops, scope, type Tensor } from "../../torch/index.js";
import { rng } from "../../util/index.js";
import { type FixedImages, maskedVictim, type ScorePoint } from "./score-loss.js";

/** Makes adversarial examples against a network whose batch norm has its running statistics. */
export interface Crafter {
  readonly name: string;
  readonly threat: Threat;
  craft: RobustLoss["craft"];
}

/** The attack that a robust loss trains with, or one of one's own. */
export function crafterOf(by: RobustLoss | Attack): Crafter {
  if ("craft" in by) return { name: `of ${by.name}`, threat: by.threat, craft: by.craft };
  return { name: by.name, threat: by.threat, craft: (victim, x, y, at) => by.perturb(victim, x, y, at) };
}

export interface FixedImagesOptions {
  readonly images: number;
  readonly seed: number;
  readonly dtype: "float32" | "float64";
  /** Images at a time; default all. */
  readonly batchSize?: number | undefined;
  readonly poll?: (() => void) | undefined;
}

/** The noise is keyed per image, so it is the same at every state and for every batch size. */
export function fixedImages(
  point: ScorePoint,
  split: Split,
  crafter: Crafter,
  options: FixedImagesOptions,
): FixedImages {
  const { seed, dtype, poll } = options;
  const count = Math.min(options.images, split.length);
  const { batchSize = count } = options;
  return scope(() => {
    const victim = maskedVictim(point);
    const batch = split.ordered(0, count);
    const x = ops.asType(batch.x, { dtype });
    const crafted: Tensor[] = [];
    for (let from = 0; from < count; from += batchSize) {
      const length = Math.min(batchSize, count - from);
      const part = (tensor: Tensor) => ops.narrow(tensor, 0, from, length);
      const indices = Int32Array.from({ length }, (_, i) => from + i);
      const at = { rng: rng(seed, "sharpness", "attack"), indices, ...(poll && { poll }) };
      crafted.push(scope(() => ops.detach(crafter.craft(victim, part(x), part(batch.y), at))));
    }
    return { x, y: batch.y, xAdv: ops.cat(crafted) };
  });
}

/** Shares of the images that the network at the point has right. */
export function shareRight(point: ScorePoint, { x, y, xAdv }: FixedImages) {
  const right = (images: Tensor) => {
    const answers = ops.argmax(maskedVictim(point).logits(images), { dim: 1 });
    return ops.countNonzero(ops.eq(answers, y)).item() / y.numel;
  };
  return noGrad(() => scope(() => ({ cleanAccuracy: right(x), robustAccuracy: right(xAdv) })));
}
