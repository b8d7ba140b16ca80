// The L2 attack of TRADES' own code: SGD on the displacement d from 0.001 N(0,1), T steps of length 2 eps / T along the
// unit gradient of KL(f(x) || f(x + d)) of each image:
//   d <- d + (2 eps / T) grad / ||grad||,  noise N(0,1) in place of a gradient that is zero;
//   d <- clip01(x + d) - x;  d <- d min(1, eps / ||d||).
// The box comes before the ball: shortening d keeps x + d in the box. (Our `pgd` takes 2.5 eps / T, stands still at a zero
// gradient and cuts to the ball first.)
import {
  type Attack,
  type AttackObjective,
  attack,
  inputGradient,
  l2Norm,
  noise,
  type PerturbOptions,
  type Threat,
  type Victim,
} from "../attacks/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";

/** One step of the displacement d [N,C,H,W] around x. */
function step(victim: Victim, x: Tensor, d: Tensor, y: Tensor, length: number, at: PerturbOptions): Tensor {
  const { gradient } = inputGradient(victim, ops.add(x, d), y, at.objective as AttackObjective);
  const norm = l2Norm(gradient);
  const still = ops.eq(norm, 0);
  const random = noise(x, at, (t) => ops.normal_(t));
  const direction = ops.where(still, random, ops.div(gradient, ops.maskedFill(norm, still, 1)));
  const moved = ops.add(d, direction, { alpha: { float: length } });
  return ops.sub(ops.clamp(ops.add(x, moved), { min: 0, max: 1 }), x);
}

/** Shortens what is longer than eps. */
function shorten(d: Tensor, eps: number): Tensor {
  return ops.mul(d, ops.clampMax(ops.mul(ops.reciprocal(ops.add(l2Norm(d), 1e-12)), eps), 1));
}

/** Crafts for TRADES in L2, `steps` gradient steps; `objective` must be given. */
export function tradesL2(threat: Threat, steps: number): Attack {
  if (threat.norm !== "l2") throw new UsageError(expected("trades", "sgdSteps with a threat in l2", threat.norm));
  const { eps } = threat;
  return attack(`trades-sgd-${steps}`, threat, (victim, x, y, at) => {
    let d = ops.mul(
      noise(x, at, (t) => ops.normal_(t)),
      0.001,
    );
    for (let i = 0; i < steps; i++) {
      at.poll?.();
      d = scope(() => shorten(step(victim, x, d, y, (2 * eps) / steps, { ...at, rng: at.rng.at("still", i) }), eps));
    }
    return ops.add(x, d);
  });
}
