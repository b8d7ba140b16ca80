// Linear centred kernel alignment of two networks' features of the same n images, X [n,p] and Y [n,q], columns centred:
//   cka       ||X'Y||^2 / (||X'X|| ||Y'Y||), Frobenius norms                      in [0,1]
// S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of Neural Network Representations Revisited", ICML 2019
// (arXiv 1905.00414). Unchanged by orthogonal maps and isotropic scaling of either side. With few images for many features
// it is large for any two networks: about 1 / (1 + n/p) for noise of p features each. So we give beside it
//   debiased  h(K,L) / sqrt(h(K,K) h(L,L)),  K = XX' and L = YY' with zeros on the diagonal,
//   h(K,L) = (tr KL + 1'K1 1'L1 / ((n-1)(n-2)) - 2 / (n-2) 1'KL1) / (n (n-3))     about 0 for features that share nothing
// h is the unbiased estimator of L. Song, A. Smola, A. Gretton, J. Bedo, K. Borgwardt, "Feature Selection via Dependence
// Maximization", JMLR 13 (2012). No matrix of n x n is made: tr KL = ||X'Y||^2 - sum of the diagonals' products, K1 = X(X'1) -
// diagonal.
import { ops, scope, type Tensor } from "../../torch/index.js";
import { expected, ShapeError } from "../../util/index.js";

export interface Cka {
  /** null where the features of a side are the same for all images. */
  readonly cka: number | null;
  /** In [-1,1]; null there too, and for fewer than 4 images. */
  readonly debiased: number | null;
}

/** Less of the variance than rounding leaves of constant features. */
const CONSTANT = 1e-24;

interface Side {
  /** [n,p] float64, columns centred. */
  readonly x: Tensor;
  /** Diagonal of XX', [n]. */
  readonly diagonal: Tensor;
  /** Row sums of XX' without its diagonal, [n]. */
  readonly rows: Tensor;
}

const sum = (t: Tensor) => ops.sum(t).item();
const inner = (a: Tensor, b: Tensor) => sum(ops.mul(a, b));

/** undefined where nothing varies. */
function sideOf(features: Tensor): Side | undefined {
  const raw = ops.to(features, "float64");
  const x = ops.sub(raw, ops.meanDim(raw, 0, { keepdim: true }));
  const diagonal = ops.sumDim(ops.mul(x, x), [1]);
  if (sum(diagonal) <= CONSTANT * inner(raw, raw)) return undefined;
  const total = ops.sumDim(x, [0]);
  const rows = ops.sub(ops.sumDim(ops.mul(x, total), [1]), diagonal);
  return { x, diagonal, rows };
}

/** ||X'Y||^2. */
function aligned(a: Side, b: Side): number {
  const product = ops.mm(ops.transpose(a.x, 0, 1), b.x);
  return inner(product, product);
}

function unbiased(a: Side, b: Side, squared: number): number {
  const n = a.x.shape[0] as number;
  const trace = squared - inner(a.diagonal, b.diagonal);
  const sums = (sum(a.rows) * sum(b.rows)) / ((n - 1) * (n - 2));
  return (trace + sums - (2 / (n - 2)) * inner(a.rows, b.rows)) / (n * (n - 3));
}

/** Of features a [n,p] and b [n,q], each image a row. */
export function linearCka(a: Tensor, b: Tensor): Cka {
  const [n = 0] = a.shape;
  if (a.shape.length !== 2 || b.shape.length !== 2 || b.shape[0] !== n) {
    throw new ShapeError(
      expected("cka", "features [n,p] and [n,q] of the same images", `[${a.shape}] and [${b.shape}]`),
    );
  }
  return scope(() => {
    const [x, y] = [sideOf(a), sideOf(b)];
    if (x === undefined || y === undefined) return { cka: null, debiased: null };
    const [xy, xx, yy] = [aligned(x, y), aligned(x, x), aligned(y, y)];
    const cka = Math.min(1, xy / Math.sqrt(xx * yy));
    if (n < 4) return { cka, debiased: null };
    const spread = unbiased(x, x, xx) * unbiased(y, y, yy);
    const debiased = unbiased(x, y, xy) / Math.sqrt(spread);
    return { cka, debiased: spread > 0 && Number.isFinite(debiased) ? Math.max(-1, Math.min(1, debiased)) : null };
  });
}
