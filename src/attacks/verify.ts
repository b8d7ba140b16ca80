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

/**
 * 1 for each image whose point is a certificate: inside [0,1], inside the ball up to rounding, and misclassified.
 * Logits that are not finite are no verdict but an error.
 */
export function breaks(judge: Victim, threat: Threat, x: Tensor, y: Tensor, points: Tensor): Uint8Array {
  return noGrad(() =>
    scope(() => {
      const wrong = ops.ne(ops.argmax(finiteLogits(judge, points), { dim: 1 }), y);
      const flat = ops.flatten(points, { startDim: 1 });
      const inBox = ops.logicalAnd(ops.ge(ops.amin(flat, { dim: [1] }), 0), ops.le(ops.amax(flat, { dim: [1] }), 1));
      const inBall = ops.le(changeNorm(threat.norm, x, points), reach(threat));
      return Uint8Array.from(ops.logicalAnd(wrong, ops.logicalAnd(inBox, inBall)).toNumbers());
    }),
  );
}
