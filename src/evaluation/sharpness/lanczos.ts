// The largest eigenvalues of a symmetric operator by Lanczos' method with full reorthogonalisation (Golub, Van Loan,
// "Matrix Computations", 4th edition, chapter 10): an orthonormal basis Q of the Krylov space of A and a random start,
//   A q_j = b_{j-1} q_{j-1} + a_j q_j + b_j q_{j+1};
// the eigenvalues of the tridiagonal matrix of a and b approach the outer ones of A, and |A y - x y| = b_m |last entry of
// its eigenvector| for each pair (x, y), so some eigenvalue of A lies that near.
import { manualSeed, ops, scope, type Tensor, tensor } from "../../torch/index.js";
import { expected, type Rng, UsageError } from "../../util/index.js";

export interface LanczosOptions {
  /** Products with the operator. */
  readonly steps: number;
  /** How many of the largest eigenvalues are wanted. */
  readonly count: number;
  /** Of the start. */
  readonly rng: Rng;
  readonly dtype: "float32" | "float64";
}

export interface Eigenpairs {
  /** The largest ones, largest first. */
  readonly values: readonly number[];
  /** For each, how far at most the nearest eigenvalue of the operator is, rounding of the products included. */
  readonly bounds: readonly number[];
  /** The smallest one that was seen, and its bound: negative where the loss also curves downwards. */
  readonly smallest: { readonly value: number; readonly bound: number };
  /** Unit vectors [count,n]. */
  readonly vectors: Tensor;
  /** Products that were made: fewer than asked where the space was exhausted. */
  readonly steps: number;
}

/** v minus its part in the span of the rows of `basis` [j,n]; twice, since once leaves what rounding did. */
function orthogonalised(v: Tensor, basis: Tensor): Tensor {
  const once = (x: Tensor) => ops.sub(x, ops.matmul(ops.matmul(basis, x), basis));
  return once(once(v));
}

const norm = (v: Tensor) => ops.vectorNorm(v).item();

interface Tridiagonal {
  readonly alpha: number[];
  readonly beta: number[];
}

function eigen({ alpha, beta }: Tridiagonal): { readonly values: Tensor; readonly vectors: Tensor } {
  const m = alpha.length;
  const entries = new Float64Array(m * m);
  alpha.forEach((a, i) => {
    entries[i * m + i] = a;
    // `linalgEigh` reads the lower triangle.
    if (i + 1 < m) entries[(i + 1) * m + i] = beta[i] as number;
  });
  const [values, vectors] = ops.linalgEigh(tensor(entries, [m, m]));
  return { values, vectors };
}

/** Below this share of the largest image, the next vector would be rounding alone. */
const NOTHING = { float32: 1e-6, float64: 1e-14 } as const;
/** Rounding of a product, as a share of the largest image: no bound is below it. */
const ROUNDING = { float32: 2 ** -23, float64: 2 ** -52 } as const;

/** Eigenpairs of the operator `apply` on vectors [n]; its result's tensors belong to the scope of the call. */
export function lanczos(apply: (v: Tensor) => Tensor, n: number, options: LanczosOptions): Eigenpairs {
  const { count, rng, dtype } = options;
  const most = Math.min(options.steps, n);
  if (!(count >= 1 && count <= options.steps)) {
    throw new UsageError(expected("lanczos", `a count of eigenvalues in [1, ${options.steps}]`, count));
  }
  return scope(() => {
    const basis = ops.zeros([most, n], { dtype });
    const row = (j: number) => ops.select(basis, 0, j);
    manualSeed(rng);
    const start = ops.normal_(ops.empty([n], { dtype }));
    ops.copy_(row(0), ops.div(start, { float: norm(start) }));
    const t: Tridiagonal = { alpha: [], beta: [] };
    let scale = 0;
    while (t.alpha.length < most) {
      const j = t.alpha.length;
      scope(() => {
        const image = apply(row(j));
        t.alpha.push(ops.dot(image, row(j)).item());
        const rest = orthogonalised(image, ops.narrow(basis, 0, 0, j + 1));
        t.beta.push(norm(rest));
        scale = Math.max(scale, norm(image));
        if (j + 1 < most) ops.copy_(row(j + 1), ops.div(rest, { float: Math.max(norm(rest), Number.MIN_VALUE) }));
      });
      if ((t.beta[j] as number) <= NOTHING[dtype] * scale) break;
    }
    return answer(t, ops.narrow(basis, 0, 0, t.alpha.length), count, ROUNDING[dtype] * scale);
  });
}

function answer(t: Tridiagonal, basis: Tensor, wanted: number, rounding: number): Eigenpairs {
  const m = t.alpha.length;
  const count = Math.min(wanted, m);
  const { values, vectors } = eigen(t);
  const ascending = values.toNumbers();
  const last = ops.select(vectors, 0, m - 1).toNumbers();
  const bound = (i: number) => Math.abs((t.beta[m - 1] as number) * (last[i] as number)) + rounding;
  const top = Array.from({ length: count }, (_, i) => m - 1 - i);
  const coefficients = ops.stack(top.map((i) => ops.select(vectors, 1, i)));
  return {
    values: top.map((i) => ascending[i] as number),
    bounds: top.map(bound),
    smallest: { value: ascending[0] as number, bound: bound(0) },
    vectors: ops.matmul(ops.to(coefficients, basis.dtype), basis),
    steps: m,
  };
}
