// Where images differ: a square in each, of one side, and how it spreads through a network's maps.
import { ops, type Tensor, tensor } from "../torch/index.js";

/** One square in each image, whole inside its map. */
export interface Squares {
  readonly tops: Int32Array;
  readonly lefts: Int32Array;
  readonly side: number;
}

/** Of a convolution, or of pooling. */
export interface Field {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

/** Of a map. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

const inside = (at: number, side: number, length: number) => Math.min(Math.max(at, 0), length - side);

/** Size of the map that a field makes of one. */
export function outputSize({ kernel, stride, padding }: Field, { height, width }: Size): Size {
  const length = (input: number) => Math.floor((input + 2 * padding - kernel) / stride) + 1;
  return { height: length(height), width: length(width) };
}

/** Side of the square of outputs that see a square of inputs. */
export function reachedSide({ kernel, stride }: Field, side: number): number {
  return Math.floor((side + kernel - 2) / stride) + 1;
}

/** The outputs, in a map of this size, that see the squares; at its border some more, since all have one side. */
export function reached(field: Field, { tops, lefts, side }: Squares, { height, width }: Size): Squares {
  const out = reachedSide(field, side);
  const { kernel, stride, padding } = field;
  const first = (at: number, length: number) => inside(Math.ceil((at + padding - kernel + 1) / stride), out, length);
  return { tops: tops.map((at) => first(at, height)), lefts: lefts.map((at) => first(at, width)), side: out };
}

/** What a field reads for these outputs; may reach over the border. */
export function seen({ kernel, stride, padding }: Field, { tops, lefts, side }: Squares): Squares {
  const from = (at: number) => at * stride - padding;
  return { tops: tops.map(from), lefts: lefts.map(from), side: (side - 1) * stride + kernel };
}

/** Squares of one side around both; they must fit. */
export function around(a: Squares, b: Squares, { height, width }: Size): Squares {
  const axis = (of: "tops" | "lefts") => a[of].map((at, i) => Math.min(at, b[of][i] as number));
  const [tops, lefts] = [axis("tops"), axis("lefts")];
  const ends = (of: "tops" | "lefts", from: Int32Array) =>
    from.map((at, i) => Math.max((a[of][i] as number) + a.side, (b[of][i] as number) + b.side) - at);
  const side = Math.max(...ends("tops", tops), ...ends("lefts", lefts));
  return {
    tops: tops.map((at) => inside(at, side, height)),
    lefts: lefts.map((at) => inside(at, side, width)),
    side,
  };
}

/** Added to a place outside of a map; no map has so many pixels. */
const FAR = 2 ** 30;

/** Of each square's rows or columns the place, `step` times the number after `origins`; outside of the map far away. */
function along(starts: Int32Array, side: number, length: number, step: number, origins: Int32Array): Int32Array {
  const found = new Int32Array(starts.length * side).fill(FAR);
  for (let i = 0; i < starts.length; i++) {
    const [start, origin] = [starts[i] as number, origins[i] as number];
    const end = Math.min(side, length - start);
    for (let k = Math.max(0, -start); k < end; k++) found[i * side + k] = origin + (start + k) * step;
  }
  return found;
}

/**
 * Places of the squares' pixels, row by row, in maps of this size that lie one after the other; square i is in map
 * `images[i]`. A pixel outside of its map has the place `outside`. int64 [R side side]
 */
export function places({ tops, lefts, side }: Squares, images: Int32Array, size: Size, outside: number): Tensor {
  const { height, width } = size;
  const maps = images.map((image) => image * height * width);
  const rows = along(tops, side, height, width, maps);
  const columns = along(lefts, side, width, 1, new Int32Array(lefts.length));
  const index = (numbers: Int32Array, shape: readonly number[]) => ops.reshape(ops.to(tensor(numbers), "int64"), shape);
  const all = ops.add(index(rows, [-1, side, 1]), index(columns, [-1, 1, side]));
  return ops.reshape(ops.clampMax(all, outside), [-1]);
}
