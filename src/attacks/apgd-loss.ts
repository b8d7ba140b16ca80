// What APGD climbs, and one look at the network: loss, prediction and gradient of the same forward pass.
import { ops, scope, type Tensor } from "../torch/index.js";
import { UsageError } from "../util/index.js";
import { inputGradient } from "./attack.js";
import { type AttackObjective, crossEntropy, dlr, dlrTargeted } from "./objectives.js";
import type { SearchContext } from "./search.js";

export type ApgdLoss = "ce" | "dlr" | "dlr-targeted";

export interface ApgdSearchOptions {
  readonly steps: number;
  readonly loss: ApgdLoss;
  /** Passes whose gradients are averaged, for networks that draw random numbers; default 1. */
  readonly eot?: number;
}

/** What the network says of a point. */
export interface Look {
  /** [N] */
  readonly loss: Tensor;
  /** Misclassified, bool [N]. */
  readonly wrong: Tensor;
}

function objectiveOf(loss: ApgdLoss, target: Tensor | undefined): AttackObjective {
  if (loss !== "dlr-targeted") return loss === "ce" ? crossEntropy : dlr;
  if (target === undefined) throw new UsageError("apgd: expected a target class for each image, got none");
  return dlrTargeted(target);
}

const wrongIn = (logits: Tensor, y: Tensor) => ops.ne(ops.argmax(logits, { dim: 1 }), y);

/** A forward pass only. */
export function look(context: SearchContext, x: Tensor, { loss }: ApgdSearchOptions): Look {
  return scope(() => {
    const logits = context.victim.logits(x);
    return { loss: objectiveOf(loss, context.target)(logits, context.y), wrong: wrongIn(logits, context.y) };
  });
}

/**
 * With the gradient of the loss with respect to x [N,C,H,W]. Of several passes the gradient is the mean, loss and
 * prediction are those of the last, as in the reference.
 */
export function lookUphill(
  context: SearchContext,
  x: Tensor,
  options: ApgdSearchOptions,
): Look & { readonly gradient: Tensor } {
  const { loss, eot = 1 } = options;
  return scope(() => {
    const once = () => scope(() => inputGradient(context.victim, x, context.y, objectiveOf(loss, context.target)));
    let last = once();
    let sum = last.gradient;
    for (let pass = 1; pass < eot; pass++) {
      last = once();
      sum = ops.add(sum, last.gradient);
    }
    const gradient = eot === 1 ? sum : ops.div(sum, eot);
    return { loss: last.values, wrong: wrongIn(last.logits, context.y), gradient };
  });
}
