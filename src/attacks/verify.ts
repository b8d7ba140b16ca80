import { noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { DataError } from "../util/index.js";
import type { Victim } from "./attack.js";
import { changeNorm } from "./project.js";
import type { Threat } from "./threat.js";

/** How far beyond eps a change's norm may lie by rounding alone: relative, and absolute in pixel scale. */
const SLACK = { relative: 1e-6, absolute: 1e-7 };

/** Largest norm that still counts as inside the ball. */
export function reach({ eps }: Threat): number {
  return eps * (1 + SLACK.relative) + SLACK.absolute;
}

/** Logits [N,K]. Such that are not finite are no verdict but an error. */
function finiteLogits(victim: Victim, x: Tensor): Tensor {
  const logits = victim.logits(x);
  if (ops.all(ops.isfinite(logits)).item()) return logits;
  throw new DataError("attack: expected finite logits, got NaN or infinity; check the weights and the images", {
    code: "data/not-finite",
  });
}

/** Predicted class of each image, [N]. DataError where logits are not finite. */
export function predict(victim: Victim, x: Tensor): Int32Array {
  return noGrad(() => Int32Array.from(scope(() => ops.argmax(finiteLogits(victim, x), { dim: 1 })).toNumbers()));
}

/** What a network says of points, an entry an image. */
export interface Verdicts {
  /** Predicted classes. */
  readonly classes: Int32Array;
  /** 1 where the point is a certificate: inside [0,1], inside the ball up to rounding, and misclassified. */
  readonly broken: Uint8Array;
  /** 1 where it is misclassified but outside, so that it does not count. */
  readonly outside: Uint8Array;
}

/** Judges points; one forward pass. DataError where logits are not finite. */
export function judged(judge: Victim, threat: Threat, x: Tensor, y: Tensor, points: Tensor): Verdicts {
  return noGrad(() =>
    scope(() => {
      const classes = ops.argmax(finiteLogits(judge, points), { dim: 1 });
      const wrong = ops.ne(classes, y);
      const flat = ops.flatten(points, { startDim: 1 });
      const inBox = ops.logicalAnd(ops.ge(ops.amin(flat, { dim: [1] }), 0), ops.le(ops.amax(flat, { dim: [1] }), 1));
      const inside = ops.logicalAnd(inBox, ops.le(changeNorm(threat.norm, x, points), reach(threat)));
      return {
        classes: Int32Array.from(classes.toNumbers()),
        broken: Uint8Array.from(ops.logicalAnd(wrong, inside).toNumbers()),
        outside: Uint8Array.from(ops.logicalAnd(wrong, ops.logicalNot(inside)).toNumbers()),
      };
    }),
  );
}

/** 1 for each image whose point is a certificate. */
export function breaks(judge: Victim, threat: Threat, x: Tensor, y: Tensor, points: Tensor): Uint8Array {
  return judged(judge, threat, x, y, points).broken;
}
