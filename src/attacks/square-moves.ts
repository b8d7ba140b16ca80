// Square's starts and candidates in each norm; see square.ts for the rule.
import { ops, type Tensor, tensor } from "../torch/index.js";
import { l1Project } from "./l1-projection.js";
import type { QueryShape, StartShape, Uniforms } from "./square-draws.js";
import type { Candidate } from "./square-passes.js";
import { bumpSide, eta, linfSide, outsideFirst, windowAccess, windowsAt } from "./square-windows.js";
import type { Threat } from "./threat.js";

type TileDraws = readonly { readonly coins: Uniforms; readonly signs: Uniforms }[];

/** How Square moves in a norm; x are images [N,C,H,W]. */
export interface SquareMoves {
  readonly startShape: (x: Tensor) => StartShape;
  readonly start: (x: Tensor, draws: TileDraws) => Tensor;
  readonly queryShape: (x: Tensor) => QueryShape;
  /** A point to try for each image, from its best one. Places and signs are of each image, or one set for all. */
  readonly candidate: (x: Tensor, best: Tensor, fraction: number, places: Uniforms, signs: Uniforms) => Candidate;
}

const sizes = (x: Tensor) => x.shape as [n: number, c: number, h: number, w: number];
const clip01 = (x: Tensor) => ops.clamp(x, { min: 0, max: 1 });

/** Signs of uniform numbers in x's dtype, each image's shaped [c,1,w]. */
function signs(draws: Uniforms, c: number, w: number, x: Tensor): Tensor {
  const values = Array.from(draws, (u) => Math.sign(2 * u - 1));
  return tensor(values, [draws.length / (c * w), c, 1, w], { dtype: x.dtype });
}

/** The column of each image's numbers, where each has `count`. */
function columnOf(draws: Uniforms, count: number, at: number): number[] {
  return Array.from({ length: draws.length / count }, (_, image) => draws[image * count + at] as number);
}

/** `content` [s,s] for each coin, transposed where it shows more than a half; [B,1,s,s]. */
function turned(content: Tensor, coins: readonly number[]): Tensor {
  const turn = Uint8Array.from(coins, (coin) => Number(coin > 0.5));
  const where = tensor(turn, [coins.length, 1, 1, 1], { dtype: "bool" });
  return ops.where(where, ops.transpose(content, 0, 1), content);
}

/** The windows' pixels go to x +- eps, one sign for each channel; the start is vertical stripes. */
function linfMoves({ eps }: Threat): SquareMoves {
  const away = (x: Tensor, sign: Tensor) => clip01(ops.add(x, sign, { alpha: { float: eps } }));
  return {
    startShape: (x) => ({ tiles: 1, coin: false, signs: sizes(x)[1] * sizes(x)[3] }),
    start(x, [tile]) {
      const [, c, , w] = sizes(x);
      return away(x, signs(tile?.signs ?? [], c, w, x));
    },
    queryShape: (x) => ({ places: 2, signs: sizes(x)[1] }),
    candidate(x, best, fraction, places, draws) {
      const [, c, h, w] = sizes(x);
      const side = linfSide(fraction, h, w);
      const squares = windowsAt(columnOf(places, 2, 0), columnOf(places, 2, 1), side, h, w);
      const { read, write } = windowAccess(x, squares);
      const point = ops.clone(best);
      // From anywhere in the ball, 2 eps more or less and the clip to the ball lead to its edge.
      write(point, away(read(x), signs(draws, c, 1, x)));
      return { point, squares };
    },
  };
}

/** How long an axis' tiles are, how many there are and where the first begins. */
function tiling(length: number, side: number) {
  const count = Math.min(5, Math.floor(length / side));
  return { count, from: Math.floor((length - count * side) / 2) };
}

const tileSide = (h: number, w: number) => Math.max(Math.floor(Math.min(h, w) / 5), 1);

/** Norm over some dimensions, which stay. */
const normOver = (norm: "l2" | "l1", v: Tensor, dim: readonly number[]) =>
  ops.vectorNorm(v, { ord: norm === "l2" ? 2 : 1, dim, keepdim: true });
const CHANNEL = [2, 3];
const IMAGE = [1, 2, 3];

/** Windows get a bump with a random sign, with what a second window and the ball have left to spend. */
function bumpMoves(threat: Threat & { readonly norm: "l2" | "l1" }): SquareMoves {
  const { norm, eps } = threat;
  const bump = (side: number, x: Tensor) => ops.to(eta(norm, side), x.dtype);
  const unit = (v: Tensor, dim: readonly number[]) => ops.div(v, ops.add(normOver(norm, v, dim), 1e-12));
  /** x and a displacement, brought to the ball's edge and into the box. */
  const reached = (x: Tensor, delta: Tensor) =>
    norm === "l2"
      ? ops.clamp_(ops.add(x, unit(delta, IMAGE), { alpha: { float: eps } }), { min: 0, max: 1 })
      : l1Project(x, ops.add(x, delta), eps * (1 - 1e-6));
  return {
    startShape(x) {
      const [, c, h, w] = sizes(x);
      const side = tileSide(h, w);
      return { tiles: tiling(h, side).count * tiling(w, side).count, coin: true, signs: c };
    },
    start(x, draws) {
      const [, c, h, w] = sizes(x);
      const side = tileSide(h, w);
      const [down, across] = [tiling(h, side), tiling(w, side)];
      const content = bump(side, x);
      const delta = ops.zerosLike(x);
      for (const [i, tile] of draws.entries()) {
        const top = down.from + side * Math.floor(i / across.count);
        const left = across.from + side * (i % across.count);
        const place = ops.narrow(ops.narrow(delta, 2, top, side), 3, left, side);
        ops.copy_(place, ops.mul(turned(content, Array.from(tile.coins)), signs(tile.signs, c, 1, x)));
      }
      return reached(x, delta);
    },
    queryShape: (x) => ({ places: 5, signs: sizes(x)[1] }),
    candidate(x, best, fraction, places, draws) {
      const [, c, h, w] = sizes(x);
      const side = bumpSide(fraction, h, w);
      const draw = (at: number) => columnOf(places, 5, at);
      const first = windowsAt(draw(0), draw(1), side, h, w);
      const second = windowsAt(draw(2), draw(3), side, h, w);
      const [one, two] = [windowAccess(x, first), windowAccess(x, second)];
      const delta = ops.sub(best, x);
      const old = one.read(delta);
      const rest = ops.mul(two.read(delta), outsideFirst(first, second));
      const content = ops.mul(turned(bump(side, x), draw(4)), signs(draws, c, 1, x));
      const wanted = ops.mul(
        unit(ops.add(content, unit(old, CHANNEL)), CHANNEL),
        budget(threat, normOver(norm, delta, IMAGE), [normOver(norm, old, CHANNEL), normOver(norm, rest, CHANNEL)], c),
      );
      two.write(delta, ops.zeros([1, 1, 1, 1], { dtype: x.dtype }));
      one.write(delta, wanted);
      return { point: reached(x, delta) };
    },
  };
}

/**
 * How long the new content of a channel may be: what both windows had, given in two parts [N,C,1,1], and a channel's share of
 * what the ball has left, by the length `now` [N,1,1,1].
 */
function budget(
  { norm, eps }: Threat & { readonly norm: "l2" | "l1" },
  now: Tensor,
  [one, two]: readonly [Tensor, Tensor],
  c: number,
): Tensor {
  const power = norm === "l2" ? 2 : 1;
  const left = ops.div(ops.clampMin(ops.add(ops.neg(ops.pow(now, power)), { float: eps ** power }), 0), c);
  const all = ops.add(left, ops.add(ops.pow(one, power), ops.pow(two, power)));
  return norm === "l2" ? ops.sqrt(all) : ops.mul(all, c);
}

export function squareMoves(threat: Threat): SquareMoves {
  const { norm } = threat;
  return norm === "linf" ? linfMoves(threat) : bumpMoves({ ...threat, norm });
}
