// Mixup (Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR 2018, arXiv 1710.09412):
//   x <- l x + (1 - l) x[p],  y <- l onehot(y) + (1 - l) onehot(y[p]),  l ~ Beta(alpha, alpha),
// with one l and one random order p for a batch, as in the authors' code.
// In robust training the attack gets one label an image, that of the larger share; only the loss sees the shares.
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import type { Batch } from "./dataset.js";

/**
 * A draw of Beta(alpha, alpha), exactly: above 1/2 by (1 + sqrt(1 - u^(2 / (2 alpha - 1))) cos(2 pi v)) / 2 (Ulrich, Applied
 * Statistics 33, 1984), else by rejection (Jöhnk, Metrika 8, 1964), which there takes at least three tries of four.
 */
export function symmetricBeta(alpha: number, rng: Rng): number {
  if (alpha > 0.5) {
    const [u, v] = [rng.at("u").uniform(), rng.at("v").uniform()];
    return (1 + Math.sqrt(1 - u ** (2 / (2 * alpha - 1))) * Math.cos(2 * Math.PI * v)) / 2;
  }
  for (let attempt = 0; ; attempt++) {
    const [u, v] = [rng.at("u", attempt).uniform(), rng.at("v", attempt).uniform()];
    // The shares a / (a + b) of a = u^(1 / alpha) and b, by logarithms: for a small alpha both are zero in floating point.
    const [logA, logB] = [Math.log(u) / alpha, Math.log(v) / alpha];
    if (Math.exp(logA) + Math.exp(logB) <= 1) return u === v ? 0.5 : 1 / (1 + Math.exp(logB - logA));
  }
}

/** The batch with its images and labels mixed in pairs; y is the label of the larger share. */
export function mix(batch: Batch, numClasses: number, alpha: number, rng: Rng): Batch {
  const { x, y, size } = batch;
  const share = symmetricBeta(alpha, rng.at("share"));
  return scope(() => {
    const order = tensor(rng.at("pairs").permutation(size));
    const blend = (a: Tensor, b: Tensor) => ops.add(ops.mul(a, { float: share }), b, { alpha: { float: 1 - share } });
    const others = ops.indexSelect(y, 0, order);
    const shares = (labels: Tensor) => ops.to(ops.oneHot(labels, { numClasses }), "float32");
    const mixed = blend(x, ops.indexSelect(x, 0, order));
    return {
      x: ops.contiguous(mixed, { memoryFormat: "channels_last" }),
      y: share >= 0.5 ? y : others,
      targets: blend(shares(y), shares(others)),
      size,
    };
  });
}
