import { entry, registry } from "../util/index.js";
import { erk, erkOptions } from "./erk.js";
import { harp, harpOptions } from "./harp.js";
import { hydra, hydraOptions } from "./hydra.js";
import { lamp, lampOptions } from "./lamp.js";
import { magnitude, magnitudeOptions } from "./magnitude.js";
import type { Method } from "./method.js";
import { randomOptions, randomPruning } from "./random.js";
import { rst, rstOptions } from "./rst.js";
import { snip, snipOptions } from "./snip.js";

export const methods = registry("method", {
  harp: entry({
    summary: "scores and each layer's keep rate learned together (Zhao and Wressnegger 2023)",
    options: harpOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => harp(options),
  }),
  hydra: entry({
    summary: "scores learned under the robust loss, the largest of each layer stay (Sehwag et al. 2020)",
    options: hydraOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => hydra(options),
  }),
  rst: entry({
    summary: "scores learned in a network of random weights, which are never trained (Fu et al. 2021)",
    options: rstOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => rst(options),
  }),
  magnitude: entry({
    summary: "largest weights of each layer or of all, no search (Han et al. 2015)",
    options: magnitudeOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => magnitude(options),
  }),
  lamp: entry({
    summary: "magnitudes normalised by layer and ranked over all layers, no search (Lee et al. 2021)",
    options: lampOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => lamp(options),
  }),
  erk: entry({
    summary: "largest or random weights, more of each small layer, no search (Evci et al. 2020)",
    options: erkOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => erk(options),
  }),
  random: entry({
    summary: "random weights at a budget, no search",
    options: randomOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => randomPruning(options),
  }),
  snip: entry({
    summary: "largest sensitivity of the loss to removing a weight, no search (Lee et al. 2019)",
    options: snipOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => snip(options),
  }),
});
