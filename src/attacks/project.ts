import { ops, type Tensor } from "../torch/index.js";
import { expected, UsageError } from "../util/index.js";
import { l1Project } from "./l1-projection.js";
import type { Threat, ThreatNorm } from "./threat.js";

const ORDER: Readonly<Record<ThreatNorm, number>> = { linf: Number.POSITIVE_INFINITY, l2: 2, l1: 1 };

/** ThreatNorm of each image's change from x, computed in float64; [N]. */
export function changeNorm(norm: ThreatNorm, x: Tensor, point: Tensor): Tensor {
  const delta = ops.sub(ops.to(point, "float64"), ops.to(x, "float64"));
  return ops.vectorNorm(ops.flatten(delta, { startDim: 1 }), { ord: ORDER[norm], dim: [1] });
}

/** ThreatNorm of each image's change, [N,1,1,1]. */
export function l2Norm(delta: Tensor): Tensor {
  return ops.vectorNorm(delta, { ord: 2, dim: [1, 2, 3], keepdim: true });
}

/** v divided by its own norm per image; zero stays zero. */
export function unit(v: Tensor): Tensor {
  return ops.div(v, ops.add(l2Norm(v), 1e-12));
}

/**
 * The projection onto the threat's ball around x and onto [0,1], prepared once for many points. Linf: both are boxes,
 * so one pair of bounds does. L2: the displacement is scaled by min(1, eps / its norm), then clipped, which only
 * shortens it; the norm is summed in float64, since in float32 that of a large image comes out too short. L1: the nearest point of ball and box together.
 */
export function projector(threat: Threat, x: Tensor): (point: Tensor) => Tensor {
  const { eps } = threat;
  if (threat.norm === "linf") {
    const low = ops.clampMin(ops.sub(x, eps), 0);
    const high = ops.clampMax(ops.add(x, eps), 1);
    return (point) => ops.minimum(ops.maximum(point, low), high);
  }
  if (threat.norm === "l1") return (point) => l1Project(x, point, eps);
  return (point) => {
    const delta = ops.sub(point, x);
    const length = ops.vectorNorm(delta, { ord: 2, dim: [1, 2, 3], keepdim: true, dtype: "float64" });
    const factor = ops.clampMax(ops.mul(ops.reciprocal(ops.add(length, 1e-12)), eps), 1);
    return ops.clamp(ops.add(x, ops.mul(delta, ops.to(factor, x.dtype))), { min: 0, max: 1 });
  };
}

/** Refuses L1, where steepest ascent would move a single pixel. */
export function hasSteepest(attack: string, { norm }: Threat): void {
  if (norm === "l1") throw new UsageError(expected(attack, "a threat in linf or l2 (apgd-ce searches l1)", norm));
}

/** The direction of steepest ascent of length 1 in the threat's norm, Linf or L2; sign(0) = 0. */
export function steepest(threat: Threat, gradient: Tensor): Tensor {
  return threat.norm === "linf" ? ops.sign(gradient) : unit(gradient);
}
