// Forward passes of images that differ from known ones in a small square each, as Square's queries do: what the square does
// not reach is not computed again. A 3 x 3 convolution widens a square by one pixel on each side, so that of a ResNet-18's
// first group of layers a tenth changes, and of its second one half; from where most of a map changes, all is computed.
//
// What is known is kept after each operation, as rows [N H W + 1, C], of which the last is zero and stands for all that lies
// beyond a border. It is made image by image and so depends on each image alone: a search that is resumed goes on with
// the same bits.
import type { ModelState, Passes } from "../nn/index.js";
import { keep, noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { asRows, type KnownMap, LocalPass } from "./local-pass.js";
import { followed, type Route, type RouteStep, routeOf } from "./local-route.js";
import type { Model } from "./model.js";
import { multiplications } from "./operations.js";
import type { Squares } from "./squares.js";

/** Least share of multiplications that must be saved, since what is local costs more for each. */
const LEAST = 0.25;
/** As many multiplications as what a local pass does beside them takes: once, and for each image. By ResNet-18 of width 16, 32, 64. */
const [PASS, IMAGE] = [1.2e8, 2.5e7];
/** Most bytes for what is known, in float32; beyond, whole maps are computed. */
const MEMORY = 2 ** 29;

/** Known images, and passes of others that are like them. */
export interface LocalPasses extends Disposable {
  /** Logits [R,K] of the rows of x [N,C,H,W], which differ from the known ones only inside their squares. */
  logits(x: Tensor, rows: Int32Array, squares: Squares): Tensor;
  /** From now on the images of these rows are known as x has them. */
  learn(x: Tensor, rows: Iterable<number>): void;
}

export interface LocalNetwork {
  /** Whether it takes less time, for so many images and squares of this side. */
  saves(side: number, images: number): boolean;
  /** The images of x [N,C,H,W] as known ones; whoever asks disposes of them. */
  knowing(x: Tensor): LocalPasses;
}

/** The network in this state, which must stay as it is; undefined where its operations are not known. */
export function localNetwork(model: Model, state: ModelState, passes: Passes): LocalNetwork | undefined {
  if (model.operations === undefined) return undefined;
  const route = routeOf(model.operations, state);
  // A larger square is not followed further than one pixel.
  const farthest = { ...route, length: followed(model, route, 1).end };
  const all = multiplications(model);
  const shares = new Map<number, number>();
  return {
    saves(side, images) {
      const share = shares.get(side) ?? followed(model, route, side).saved;
      shares.set(side, share);
      return share >= LEAST && share * all * images >= PASS + IMAGE * images;
    },
    knowing: (x) => noGrad(() => new KnownImages(farthest, x, passes)),
  };
}

class KnownImages implements LocalPasses {
  readonly #steps: readonly RouteStep[];
  readonly #passes: Passes;
  readonly #maps: ReadonlyMap<number, KnownMap>;
  /** Operations that are followed; the rest runs on whole maps. */
  readonly #end: number;

  constructor(route: Route, x: Tensor, passes: Passes) {
    this.#steps = route.steps;
    this.#passes = passes;
    const maps = new Map<number, KnownMap>();
    this.#end = scope(() => this.#room(route, x, maps));
    this.#maps = maps;
    this.learn(x, Array(x.shape[0]).keys());
  }

  /** Makes the maps, as far as the memory goes, and says how many operations they are for. */
  #room({ length }: Route, x: Tensor, maps: Map<number, KnownMap>): number {
    const [count] = x.shape as [number];
    let [end, bytes] = [0, 0];
    this.#ofImage(ops.narrow(x, 0, 0, 1), length, (i, { shape, dtype }) => {
      const [, channels, height, width] = shape as [number, number, number, number];
      bytes += 4 * count * channels * height * width;
      if (bytes > MEMORY) return;
      end = i + 1;
      const rows = ops.zeros([count * height * width + 1, channels], { dtype });
      maps.set(i, { rows: keep(rows, { forever: true }), height, width });
    });
    return end;
  }

  /** Runs the operations before `end` on one image, and hands over each map that is kept. */
  #ofImage(x: Tensor, end: number, kept: (i: number, map: Tensor) => void): void {
    const stored = new Map<string, Tensor>();
    this.#steps.slice(0, end).reduce((current, step, i) => {
      const next = step.run(current, stored);
      if (step.kept) kept(i, next);
      return next;
    }, x);
  }

  learn(x: Tensor, rows: Iterable<number>): void {
    noGrad(() => {
      for (const row of rows) {
        scope(() =>
          this.#ofImage(ops.narrow(x, 0, row, 1), this.#end, (i, map) => {
            const { rows: all, height, width } = this.#maps.get(i) as KnownMap;
            ops.copy_(ops.narrow(all, 0, row * height * width, height * width), asRows(map));
          }),
        );
      }
    });
  }

  logits(x: Tensor, rows: Int32Array, squares: Squares): Tensor {
    this.#passes.forward += 1;
    return noGrad(() =>
      scope(() => {
        const logits = new LocalPass(this.#steps, this.#end, this.#maps, rows).run(x, squares);
        return logits.dtype === "bfloat16" ? ops.to(logits, "float32") : logits;
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const { rows } of this.#maps.values()) rows.dispose();
  }
}
