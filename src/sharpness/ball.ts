// The set that S2AP climbs in, {z : ||z_l|| <= gamma ||s_l||} and its kin, one direction and one projection each.
import { z } from "zod";
import { mapParams, type Params, param } from "../nn/index.js";
import { manualSeed, ops, type Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";

/**
 * `l2`, `linf`: per layer, relative to the layer's own norm (AWP's geometry). `global`: one L2 norm over all layers
 * (SAM, arXiv 2010.01412). `asam`: one norm of z / |s|, so large scores move further (ASAM, arXiv 2102.11600).
 */
export const norms = z.enum(["l2", "linf", "global", "asam"]);
export type Norm = z.output<typeof norms>;

const SMALLEST = 1e-20;

const norm2 = (tensor: Tensor) => ops.vectorNorm(tensor).item();
const largest = (tensor: Tensor) => ops.amax(ops.abs(tensor)).item();
const globalNorm = (params: Params) => Math.hypot(...Array.from(params.values(), norm2));

/** g / its largest |entry|, so that tiny gradients do not underflow when squared; zero stays zero. */
function scaled(tensor: Tensor, by: number): Tensor {
  return by > 0 ? ops.div(tensor, { float: by }) : tensor;
}

/** Squares of float32 that are lost to underflow do not count in a norm this large. */
const SAFE_NORM = 1e-12;

/** g, or where its norm cannot be trusted g / its largest |entry|, and its norm. One pass over g where it can. */
function measured(g: Tensor): { readonly direction: Tensor; readonly norm: number } {
  const norm = norm2(g);
  if (norm > SAFE_NORM && norm < Number.POSITIVE_INFINITY) return { direction: g, norm };
  const direction = scaled(g, largest(g));
  return { direction, norm: norm2(direction) };
}

function tamed(gradient: Params): Map<string, Tensor> {
  const top = Math.max(...Array.from(gradient.values(), largest));
  return mapParams(gradient, (g) => scaled(g, top));
}

/** Steepest ascent in the ball, `length` times its radius long: z_l = length ||s_l|| g_l / ||g_l||, zero where g_l is. */
export function steepestShift(scores: Params, gradient: Params, length: number, norm: Norm): Map<string, Tensor> {
  if (norm === "l2") {
    return mapParams(scores, (score, name) => {
      const { direction, norm } = measured(param(gradient, name));
      return ops.mul(direction, { float: (length * norm2(score)) / (norm + SMALLEST) });
    });
  }
  if (norm === "linf") {
    return mapParams(scores, (score, name) =>
      ops.mul(ops.sign(param(gradient, name)), { float: length * largest(score) }),
    );
  }
  return norm === "global"
    ? globalShift(gradient, length * globalNorm(scores))
    : adaptiveShift(scores, gradient, length * Math.sqrt(countOf(scores)));
}

/** z = radius g / ||g||, one norm over all layers (SAM). */
export function globalShift(gradient: Params, radius: number): Map<string, Tensor> {
  const direction = tamed(gradient);
  const factor = radius / (globalNorm(direction) + SMALLEST);
  return mapParams(direction, (g) => ops.mul(g, { float: factor }));
}

/** z = radius s^2 g / || |s| g ||, one norm over all layers (ASAM): || z / |s| || is the radius. */
export function adaptiveShift(scores: Params, gradient: Params, radius: number): Map<string, Tensor> {
  const weighted = mapParams(tamed(gradient), (g, name) => ops.mul(g, ops.abs(param(scores, name))));
  const factor = radius / (globalNorm(weighted) + SMALLEST);
  return mapParams(weighted, (g, name) => ops.mul(ops.mul(g, ops.abs(param(scores, name))), { float: factor }));
}

const countOf = (params: Params) => Array.from(params.values(), (t) => t.numel).reduce((a, b) => a + b, 0);

/** s + z. */
export function shifted(scores: Params, shift: Params): Map<string, Tensor> {
  return mapParams(scores, (score, name) => ops.add(score, param(shift, name)));
}

/** Back onto the ball of this radius where z left it. */
function project(scores: Params, shift: Params, radius: number, norm: Norm): Params {
  const shrink = (z: Tensor, length: number, most: number) =>
    length > most ? ops.mul(z, { float: most / (length + SMALLEST) }) : z;
  if (norm === "l2") return mapParams(shift, (z, name) => shrink(z, norm2(z), radius * norm2(param(scores, name))));
  if (norm === "linf") {
    return mapParams(shift, (z, name) => {
      const most = radius * largest(param(scores, name));
      return ops.clamp(z, { min: { float: -most }, max: { float: most } });
    });
  }
  const size = (params: Params) =>
    norm === "global"
      ? globalNorm(params)
      : globalNorm(mapParams(params, (z, name) => ops.div(z, ops.add(ops.abs(param(scores, name)), SMALLEST))));
  const most = radius * (norm === "global" ? globalNorm(scores) : Math.sqrt(countOf(scores)));
  const length = size(shift);
  return mapParams(shift, (z) => shrink(z, length, most));
}

/** One step of ascent from `shift` (none: from zero, where a step never leaves the ball). */
export function ascend(
  scores: Params,
  shift: Params | undefined,
  gradient: Params,
  options: { readonly length: number; readonly radius: number; readonly norm: Norm },
): Params {
  const { length, radius, norm } = options;
  const step = steepestShift(scores, gradient, length, norm);
  if (shift === undefined) return step;
  return project(scores, shifted(shift, step), radius, norm);
}

/** A random point on the ball's surface. */
export function randomDirection(scores: Params, radius: number, norm: Norm, rng: Rng): Params {
  const gaussian = mapParams(scores, (score, name) => {
    manualSeed(rng.at("start", name));
    return ops.normal_(ops.emptyLike(score));
  });
  return steepestShift(scores, gaussian, radius, norm);
}
