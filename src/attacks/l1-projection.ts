// The Euclidean projection of a change u onto { v : ||v||_1 <= eps, x + v in [0,1]^n }:
//   v = sign(u) min(max(|u| - lambda, 0), room),   room = 1 - x where u > 0, x where u < 0,
// with the least lambda >= 0 that meets the norm. As a function of lambda the norm is piecewise linear,
//   f(lambda) = sum max(|u| - lambda, 0) - max(|u| - room - lambda, 0),
// so lambda is found exactly: the corners are sorted and the piece that passes eps is solved.
// Croce and Hein, Mind the Box: l1-APGD for Sparse Adversarial Attacks on Image Classifiers, ICML 2021, arXiv 2103.01208.
import { ops, scope, type Tensor } from "../torch/index.js";

/** lambda of each row [N,1], from |u| [N,n], room [N,n] in float64 and the radius. */
function threshold(size: Tensor, room: Tensor, eps: number): Tensor {
  // Corners below zero do not bend f where lambda is; at zero they are out of the way.
  const [corners, order] = ops.sort(ops.cat([size, ops.clampMin(ops.sub(size, room), 0)], { dim: 1 }), {
    dim: 1,
    descending: true,
  });
  const slopes = ops.sub(ops.mul(ops.to(ops.lt(order, size.shape[1] as number), "float64"), 2), 1);
  const slope = ops.cumsum(slopes, 1);
  const sum = ops.cumsum(ops.mul(slopes, corners), 1);
  const norms = ops.sub(sum, ops.mul(corners, slope));
  // The last corner whose norm is below eps begins the piece; the next one ends it.
  const below = ops.sumDim(ops.to(ops.lt(norms, eps), "int64"), [1], { keepdim: true });
  const last = (corners.shape[1] as number) - 1;
  const begin = ops.clamp(ops.sub(below, 1), { min: 0 });
  const [high, low] = [ops.gather(corners, 1, begin), ops.gather(corners, 1, ops.clampMax(below, last))];
  const steepness = ops.clampMin(ops.gather(slope, 1, begin), 1);
  const solved = ops.div(ops.sub(ops.gather(sum, 1, begin), eps), steepness);
  const lambda = ops.minimum(ops.maximum(solved, low), high);
  // All corners below: the change is inside the ball already.
  return ops.maskedFill(lambda, ops.gt(below, last), 0);
}

/** What to add to `delta` [N,...] for it to be the projection, around x [N,...] in [0,1]; float64. */
function correction(x: Tensor, delta: Tensor, eps: number): Tensor {
  const room = ops.where(ops.gt(delta, 0), ops.add(ops.neg(x), 1), x);
  const size = ops.abs(delta);
  const flat = (t: Tensor) => ops.flatten(t, { startDim: 1 });
  const lambda = ops.reshape(threshold(flat(size), flat(room), eps), [-1, ...x.shape.slice(1).map(() => 1)]);
  const less = ops.minimum(ops.maximum(lambda, ops.clampMin(ops.sub(size, room), 0)), size);
  return ops.neg(ops.mul(ops.sign(delta), less));
}

/** Just more than half a unit in the last place of float32, relative. */
const HALF_ULP = 2 ** -24 * 1.0001;

/** The point in float32, each pixel rounded towards x: no norm of its change is larger for it. */
function roundedTowards(x: Tensor, exact: Tensor): Tensor {
  const point = ops.to(ops.to(exact, "float32"), "float64");
  const beyond = ops.gt(ops.abs(ops.sub(point, x)), ops.abs(ops.sub(exact, x)));
  const nearer = ops.sub(point, ops.mul(ops.mul(point, ops.sign(ops.sub(exact, x))), HALF_ULP));
  return ops.to(ops.where(beyond, nearer, point), "float32");
}

/**
 * The point of the L1 ball around x, and of [0,1], that is nearest to `point`; both [N,...]. In float64 a pixel that goes
 * back to x may miss it by rounding, and so count as changed: the reference adds in this order and counts them.
 */
export function l1Project(x: Tensor, point: Tensor, eps: number): Tensor {
  return scope(() => {
    const clean = ops.to(x, "float64");
    const delta = ops.sub(ops.to(point, "float64"), clean);
    const exact = ops.add(ops.add(clean, delta), correction(clean, delta, eps));
    const inBox = ops.clamp(exact, { min: 0, max: 1 });
    return x.dtype === "float64" ? inBox : roundedTowards(clean, inBox);
  });
}
