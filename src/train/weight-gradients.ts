import { z } from "zod";
import { entry, registry } from "../util/index.js";
import { awpOptions, awpWeights } from "./awp.js";
import { asamOptions, asamWeights, samOptions, samWeights } from "./sam.js";
import { plainWeights, type WeightGradient } from "./weight-gradient.js";

type NoContext = Readonly<Record<string, never>>;

export const weightGradients = registry("weight gradient", {
  plain: entry({
    summary: "the gradient at the weights: training as it is",
    options: z.strictObject({}),
    create: (_options, _context: NoContext): WeightGradient => plainWeights(),
  }),
  awp: entry({
    summary: "the gradient at the worst weights within gamma, layer by layer (Wu et al. 2020)",
    options: awpOptions,
    create: (options, _context: NoContext): WeightGradient => awpWeights(options),
  }),
  sam: entry({
    summary: "the gradient at the worst parameters within rho, one norm over all of them (Foret et al. 2021)",
    options: samOptions,
    create: (options, _context: NoContext): WeightGradient => samWeights(options),
  }),
  asam: entry({
    summary: "the same relative to the size of each parameter (Kwon et al. 2021)",
    options: asamOptions,
    create: (options, _context: NoContext): WeightGradient => asamWeights(options),
  }),
});
