// The shortest way from a point t of the box [0,1]^D to a plane {v : <w,v> = b} that stays in the box. With the gap
// c = <w,t> - b, every coordinate moves by a length m_i >= 0 to the side that lessens |c|, at most by its room r_i:
//   linf: m_i = min(s, r_i)          l2: m_i = min(s |w_i|, r_i)          with s so that sum |w_i| m_i = |c|
//   l1:   whole rooms in order of falling |w_i|, and of one coordinate the part that is missing
// Where the plane does not meet the box, all rooms are used up: the corner nearest to the plane.
// Croce and Hein, Minimally distorted adversarial examples with a fast adaptive boundary attack, ICML 2020,
// arXiv 1907.02044, section 3.1. We find s by Newton's method where the authors sort: sum |w_i| m_i is concave and
// piecewise linear in s, so the iterates rise to the root and reach it exactly, mostly in a few steps.
import { ops, scope, type Tensor } from "../torch/index.js";
import type { ThreatNorm } from "./threat.js";

/** In L2 and L1, coordinates with a smaller |w_i| stay, as the authors' do. */
const FLAT = 1e-8;

/**
 * Displacements [N,D] of least norm from points t [N,D] in [0,1] to the planes that are normal to w [N,D] and have
 * <w,t> - b = gap [N].
 */
export function planeDisplacement(norm: ThreatNorm, t: Tensor, w: Tensor, gap: Tensor): Tensor {
  return scope(() => {
    const direction = ops.neg(ops.mul(ops.sign(w), ops.unsqueeze(ops.sign(gap), 1)));
    const room = ops.where(ops.lt(direction, 0), t, ops.add(ops.neg(t), 1));
    const need = ops.unsqueeze(ops.abs(gap), 1);
    const slope = norm === "linf" ? ops.abs(w) : withoutFlat(ops.abs(w));
    return ops.mul(direction, { linf: evenly, l2: bySlope, l1: steepestFirst }[norm](slope, room, need));
  });
}

const withoutFlat = (slope: Tensor) => ops.maskedFill(slope, ops.lt(slope, FLAT), 0);

function evenly(slope: Tensor, room: Tensor, need: Tensor): Tensor {
  return ops.minimum(room, level(slope, room, need));
}

function bySlope(slope: Tensor, room: Tensor, need: Tensor): Tensor {
  const full = ops.maskedFill(ops.div(room, slope), ops.eq(slope, 0), 0);
  return ops.minimum(room, ops.mul(slope, level(ops.mul(slope, slope), full, need)));
}

/** The s [N,1] with sum_i gain_i min(s, full_i) = need; large enough for every min where there is none. */
function level(gain: Tensor, full: Tensor, need: Tensor): Tensor {
  const whole = ops.mul(gain, full);
  let s = ops.zerosLike(need);
  for (;;) {
    const [next, rises] = scope(() => {
      const isFull = ops.le(full, s);
      const left = ops.sumDim(ops.maskedFill(gain, isFull, 0), [1], { keepdim: true });
      const used = ops.sumDim(ops.mul(whole, isFull), [1], { keepdim: true });
      const root = ops.where(ops.gt(left, 0), ops.div(ops.sub(need, used), left), s);
      // A row that no longer rises has the same active set again, so that it does not matter how long others take.
      return [ops.maximum(s, root), ops.any(ops.gt(root, s)).item() !== 0] as const;
    });
    s = next;
    if (!rises) return s;
  }
}

function steepestFirst(slope: Tensor, room: Tensor, need: Tensor): Tensor {
  const [rows, columns] = slope.shape as [number, number];
  const [steepness, order] = ops.sort(slope, { dim: 1, descending: true });
  const rooms = ops.gather(room, 1, order);
  const gains = ops.mul(steepness, rooms);
  const before = ops.sub(ops.cumsum(gains, 1), gains);
  const part = ops.minimum(ops.clampMin(ops.div(ops.sub(need, before), steepness), 0), rooms);
  const lengths = ops.maskedFill(part, ops.eq(steepness, 0), 0);
  const first = ops.mul(ops.arange(0, rows, { dtype: "int64" }), columns);
  const places = ops.flatten(ops.add(order, ops.unsqueeze(first, 1)));
  const flat = ops.zeros([rows * columns], { dtype: slope.dtype });
  return ops.view(ops.indexCopy_(flat, 0, places, ops.flatten(lengths)), [rows, columns]);
}
