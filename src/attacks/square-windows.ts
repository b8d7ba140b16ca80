// The shapes that Square writes into images, and where: how large a query's window is, what it holds, and access to
// windows that lie elsewhere in each image.
import type { Squares } from "../models/index.js";
import { ops, type Tensor, tensor } from "../torch/index.js";

/** From these queries on the fraction is halved once more; the first counts as 0. */
const HALVINGS = [11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001] as const;

/** Fraction of the pixels that query `step` (from 0) changes. */
export function squareFraction(pInit: number, step: number): number {
  return pInit / 2 ** HALVINGS.filter((from) => step >= from).length;
}

/** The place of a query in a schedule of 10,000. */
export function rescaledStep(step: number, queries: number): number {
  return Math.floor((step / queries) * 10_000);
}

/** Nearest whole number; halves go to the even one. */
function roundEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Side of the Linf window of an image h x w. */
export function linfSide(fraction: number, h: number, w: number): number {
  return Math.min(Math.max(roundEven(Math.sqrt(fraction * h * w)), 1), h, w);
}

/** Side of the L2 and L1 windows of an image h x w: odd and at least 3, where the image has room. */
export function bumpSide(fraction: number, h: number, w: number): number {
  const side = Math.max(roundEven(Math.sqrt(fraction * h * w)), 3);
  return Math.min(side % 2 === 0 ? side + 1 : side, h, w);
}

/** Nested centred rectangles in a field rows x columns, the j-th of weight 1 / (j + 1)^power; not yet of unit norm. */
function nested(rows: number, columns: number, power: number): number[][] {
  const field = Array.from({ length: rows }, () => Array<number>(columns).fill(0));
  const [top, left] = [Math.floor(rows / 2), Math.floor(columns / 2)];
  for (let j = 0; j < Math.max(top, left) + 1; j++) {
    const weight = 1 / (j + 1) ** power;
    for (let row = Math.max(top - j, 0); row < Math.min(top + j + 1, rows); row++) {
      for (let column = Math.max(left - j, 0); column < Math.min(left + j + 1, columns); column++) {
        (field[row] as number[])[column] = ((field[row] as number[])[column] as number) + weight;
      }
    }
  }
  return field;
}

function normalized(field: readonly (readonly number[])[], norm: "l2" | "l1", sign: 1 | -1): number[][] {
  const values = field.flat();
  const length =
    norm === "l2" ? Math.sqrt(values.reduce((sum, v) => sum + v * v, 0)) : values.reduce((sum, v) => sum + v, 0);
  return field.map((row) => row.map((value) => (sign * value) / length));
}

/**
 * The content of an L2 or L1 window, float64 [side, side], of unit norm: a bump over its upper half and one of opposite
 * sign over its lower half, each highest in its middle.
 */
export function eta(norm: "l2" | "l1", side: number): Tensor {
  const power = norm === "l2" ? 2 : 4;
  const top = Math.floor(side / 2);
  const halves = [
    ...normalized(nested(top, side, power), norm, 1),
    ...normalized(nested(side - top, side, power), norm, -1),
  ];
  // Each half has norm 1, so together they have 2 in L1 and the root of 2 in L2; an empty half has none.
  const parts = top === 0 ? 1 : 2;
  const length = norm === "l2" ? Math.sqrt(parts) : parts;
  return tensor(
    Float64Array.from(halves.flat(), (value) => value / length),
    [side, side],
  );
}

/** Windows, one for each of B images, or one for all. */
export interface Windows extends Squares {
  /** The pixel rows of each, int64 [B,1,side,1]. */
  readonly rows: Tensor;
  /** The pixel columns, int64 [B,1,1,side]. */
  readonly columns: Tensor;
}

function ranges(starts: Int32Array, side: number): Tensor {
  const places = Int32Array.from({ length: starts.length * side }, (_, i) => {
    return (starts[Math.floor(i / side)] as number) + (i % side);
  });
  return ops.to(tensor(places), "int64");
}

/** Windows at uniform draws in [0,1): corner floor(u (length - side)), so the last place is never used. */
export function windowsAt(
  tops: readonly number[],
  lefts: readonly number[],
  side: number,
  h: number,
  w: number,
): Windows {
  const down = Int32Array.from(tops, (u) => Math.floor(u * (h - side)));
  const across = Int32Array.from(lefts, (u) => Math.floor(u * (w - side)));
  return {
    side,
    tops: down,
    lefts: across,
    rows: ops.reshape(ranges(down, side), [-1, 1, side, 1]),
    columns: ops.reshape(ranges(across, side), [-1, 1, 1, side]),
  };
}

/** Reads and writes the windows of images shaped like x [N,C,H,W]. */
export function windowAccess(x: Tensor, { rows, columns }: Windows) {
  const [n, c] = x.shape as [number, number];
  const images = ops.reshape(ops.arange(0, n, { dtype: "int64" }), [n, 1, 1, 1]);
  const at = [images, ops.reshape(ops.arange(0, c, { dtype: "int64" }), [1, c, 1, 1]), rows, columns];
  return {
    /** [N,C,side,side] */
    read: (from: Tensor) => ops.index(from, at),
    /** In place; values of that shape, or that broadcast to it. */
    write: (into: Tensor, values: Tensor) => void ops.indexPut_(into, at, values),
  };
}

/** Which pixels of the second windows are not in the first, bool [B,1,side,side]. */
export function outsideFirst(first: Windows, second: Windows): Tensor {
  const inside = (pixels: Tensor, corners: Int32Array) => {
    const offset = ops.sub(pixels, ops.reshape(ops.to(tensor(corners), "int64"), [-1, 1, 1, 1]));
    return ops.logicalAnd(ops.ge(offset, 0), ops.lt(offset, first.side));
  };
  return ops.logicalNot(ops.logicalAnd(inside(second.rows, first.tops), inside(second.columns, first.lefts)));
}
