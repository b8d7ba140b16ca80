import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { type RouteStep, sideAfter } from "./local-route.js";
import { around, outputSize, places, reached, type Squares, seen } from "./squares.js";

/** A map of N images, as rows [N H W + 1, C] of which the last is zero. */
export interface KnownMap {
  readonly rows: Tensor;
  readonly height: number;
  readonly width: number;
}

/** A map that differs from a known one inside of squares. */
interface Changed {
  readonly squares: Squares;
  /** What it has there, [R,C,side,side]; undefined where the map has it already. */
  readonly region?: Tensor | undefined;
  /** Undefined between operations that go pixel by pixel. */
  readonly map?: KnownMap | undefined;
}

/** [R,C,H,W] as rows [R H W, C]: as it lies in memory, where channels are last. */
export function asRows(x: Tensor): Tensor {
  return ops.reshape(ops.permute(x, [0, 2, 3, 1]), [-1, x.shape[1] as number]);
}

/** Rows [R H W, C] as [R,C,H,W]. */
function asMaps(rows: Tensor, height: number, width: number): Tensor {
  return ops.permute(ops.reshape(rows, [-1, height, width, rows.shape[1] as number]), [0, 3, 1, 2]);
}

/** One pass of some of the known images. */
export class LocalPass {
  readonly #steps: readonly RouteStep[];
  readonly #end: number;
  readonly #maps: ReadonlyMap<number, KnownMap>;
  readonly #images: Int32Array;
  readonly #order: Int32Array;
  readonly #stored = new Map<string, Changed>();

  /** Squares are followed through the operations before `end`, whose results were `maps`. */
  constructor(steps: readonly RouteStep[], end: number, maps: ReadonlyMap<number, KnownMap>, images: Int32Array) {
    this.#steps = steps;
    this.#end = end;
    this.#maps = maps;
    this.#images = images;
    this.#order = images.map((_, i) => i);
  }

  /** Logits of the images' rows in x. */
  run(x: Tensor, squares: Squares): Tensor {
    const [, channels, height, width] = x.shape as [number, number, number, number];
    const rows = ops.cat([asRows(x), ops.zeros([1, channels], { dtype: x.dtype })]);
    let current: Changed = { map: { rows, height, width }, squares };
    for (let i = 0; i < this.#end; i++) {
      const next = this.#changed(this.#steps[i] as RouteStep, current);
      if (next === undefined) return this.#whole(i, current);
      current = next === current || next.map ? next : { ...next, map: this.#maps.get(i) };
    }
    return this.#whole(this.#end, current);
  }

  /** What an operation makes of the squares; undefined where it is better run on whole maps. */
  #changed({ step, field, inner }: RouteStep, current: Changed): Changed | undefined {
    if (step.op === "store") {
      this.#stored.set(step.id, current);
      return current;
    }
    if (step.op === "load") return this.#stored.get(step.id);
    if (step.op === "add") {
      const other = this.#stored.get(step.id) as Changed;
      const squares = around(current.squares, other.squares, current.map as KnownMap);
      return { squares, region: scope(() => ops.add(this.#read(current, squares), this.#read(other, squares))) };
    }
    if (field === undefined) {
      const { squares } = current;
      return { squares, region: scope(() => inner(current.region ?? this.#read(current, squares), new Map())) };
    }
    const size = outputSize(field, current.map as KnownMap);
    if (sideAfter(field, current.squares.side, size) === undefined) return undefined;
    const squares = reached(field, current.squares, size);
    return { squares, region: scope(() => inner(this.#read(current, seen(field, squares)), new Map())) };
  }

  /** Squares of a changed map, [R,C,side,side]. */
  #read({ map, region, squares: changed }: Changed, squares: Squares): Tensor {
    const { rows, ...size } = map as KnownMap;
    const { side } = squares;
    const count = this.#images.length * side * side;
    const outside = (rows.shape[0] as number) - 1;
    const pixels = places(squares, this.#images, size, outside);
    if (region === undefined) return asMaps(ops.indexSelect(rows, 0, pixels), side, side);
    // One row more, for what has changed but is not read.
    const part = ops.indexSelect(rows, 0, ops.constantPad(pixels, [0, 1], { value: outside }));
    const from = (corners: Int32Array, origins: Int32Array) => corners.map((at, i) => at - (origins[i] as number));
    const within = {
      tops: from(changed.tops, squares.tops),
      lefts: from(changed.lefts, squares.lefts),
      side: changed.side,
    };
    ops.indexCopy_(part, 0, places(within, this.#order, { height: side, width: side }, count), asRows(region));
    return asMaps(ops.narrow(part, 0, 0, count), side, side);
  }

  /** The operations from i on, on whole maps. */
  #whole(i: number, current: Changed): Tensor {
    const rest = this.#steps.slice(i);
    const wanted = new Set(rest.map(({ step }) => (step.op === "load" || step.op === "add" ? step.id : undefined)));
    const ids = [...this.#stored].filter(([id]) => wanted.has(id));
    const stored = new Map(ids.map(([id, changed]) => [id, this.#mapsOf(changed)]));
    const kept = new Set(stored.values());
    return rest.reduce((x, { run }) => {
      const next = scope(() => run(x, stored));
      for (const map of stored.values()) kept.add(map);
      if (next !== x && !kept.has(x)) x.dispose();
      return next;
    }, this.#mapsOf(current));
  }

  /** A copy of a changed map, whole, [R,C,H,W]. */
  #mapsOf({ map, region, squares }: Changed): Tensor {
    const { rows, ...size } = map as KnownMap;
    const { height, width } = size;
    return scope(() => {
      const [length, channels] = rows.shape as [number, number];
      const known = ops.reshape(ops.narrow(rows, 0, 0, length - 1), [-1, height * width * channels]);
      const copy = ops.reshape(ops.indexSelect(known, 0, ops.to(tensor(this.#images), "int64")), [-1, channels]);
      if (region) ops.indexCopy_(copy, 0, places(squares, this.#order, size, length), asRows(region));
      return asMaps(copy, height, width);
    });
  }
}
