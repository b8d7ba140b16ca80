// Which entries of a layer are kept: those of largest magnitude. Selected, never sorted.
import { ops, present, scope, type Tensor } from "../torch/index.js";

const SAMPLE = 2048;
/** Below this a selection costs less than a sample of it would save. */
const FEW = 32_768;

/** The k-th smallest (1-based) of a flat tensor. */
function kthSmallest(flat: Tensor, k: number): number {
  const bracket = flat.numel > FEW ? bracketed(flat, k) : undefined;
  return bracket ?? present(ops.kthvalue(flat, k)[0], "kthvalue").item();
}

/**
 * The same through a sample: two order statistics of every n-th entry bracket the answer, and only the few per cent of
 * entries between them are searched. Counting proves the bracket; if it missed, the caller searches everything.
 */
function bracketed(flat: Tensor, k: number): number | undefined {
  const n = flat.numel;
  const stride = Math.floor(n / SAMPLE);
  const sample = ops.contiguous(ops.slice(flat, { step: stride }));
  const size = sample.numel;
  const centre = (k / n) * size;
  const slack = 4 * Math.sqrt(Math.max(centre * (1 - k / n), 1)) + 2;
  const at = (rank: number) => present(ops.kthvalue(sample, rank)[0], "kthvalue");
  const low = centre - slack < 1 ? undefined : at(Math.floor(centre - slack));
  const high = centre + slack > size ? undefined : at(Math.ceil(centre + slack));
  const atLeast = low === undefined ? ops.onesLike(flat, { dtype: "bool" }) : ops.ge(flat, low);
  const within = high === undefined ? atLeast : ops.logicalAnd(atLeast, ops.le(flat, high));
  const below = low === undefined ? 0 : n - ops.sum(atLeast).item();
  // Faster here than masked_select.
  const candidates = ops.indexSelect(flat, 0, ops.squeeze(ops.nonzero(within), 1));
  const rank = k - below;
  if (rank < 1 || rank > candidates.numel) return undefined;
  return present(ops.kthvalue(candidates, rank)[0], "kthvalue").item();
}

/**
 * Mask of the `kept` entries of largest value: 1 for them and 0 for the rest, in the dtype, shape and memory format of
 * `magnitudes`. Of equal values the lower index goes first, so the mask is a function of the values.
 */
export function keepLargest(magnitudes: Tensor, kept: number): Tensor {
  const n = magnitudes.numel;
  if (kept >= n) return ops.onesLike(magnitudes);
  if (kept <= 0) return ops.zerosLike(magnitudes);
  return scope(() => {
    const threshold = kthSmallest(memoryOrder(magnitudes), n - kept + 1);
    const reached = ops.ge(magnitudes, { float: threshold });
    const mask = ops.to(reached, magnitudes.dtype);
    const surplus = ops.countNonzero(reached).item() - kept;
    if (surplus > 0) dropFirstTies(mask, magnitudes, threshold, surplus);
    return mask;
  });
}

/** Entries as one dimension without a copy, in the order that memory has them: the order does not matter here. */
function memoryOrder(tensor: Tensor): Tensor {
  return ops.reshape(tensor.isChannelsLast ? ops.permute(tensor, [0, 2, 3, 1]) : tensor, [-1]);
}

/** Clears the `surplus` entries equal to the threshold that come first by flat (row-major) index. */
function dropFirstTies(mask: Tensor, magnitudes: Tensor, threshold: number, surplus: number): void {
  const flat = ops.reshape(ops.contiguous(magnitudes), [-1]);
  const ties = ops.squeeze(ops.nonzero(ops.eq(flat, { float: threshold })), 1);
  const cleared = ops.indexFill_(
    ops.reshape(ops.contiguous(ops.clone(mask)), [-1]),
    0,
    ops.slice(ties, { end: surplus }),
    0,
  );
  ops.copy_(mask, ops.view(cleared, mask.shape));
}
