import { z } from "zod";
import { entry, registry } from "../util/index.js";
import { awp, awpOptions } from "./awp.js";
import type { ScoreGradient } from "./gradient.js";
import { plain } from "./plain.js";
import { randomOptions, randomPerturbation } from "./random-perturbation.js";
import { s2ap, s2apOptions } from "./s2ap.js";
import { asam, asamOptions, sam, samOptions } from "./sam.js";

export const gradients = registry("gradient", {
  plain: entry({
    summary: "the host method as it is",
    options: z.strictObject({}),
    create: (_options, _context: Readonly<Record<string, never>>): ScoreGradient => plain(),
  }),
  s2ap: entry({
    summary: "the gradient at the worst scores within gamma (Piras et al. 2025)",
    options: s2apOptions,
    create: (options, _context: Readonly<Record<string, never>>): ScoreGradient => s2ap(options),
  }),
  sam: entry({
    summary: "the gradient at the worst scores within rho, one norm over all layers (Foret et al. 2021)",
    options: samOptions,
    create: (options, _context: Readonly<Record<string, never>>): ScoreGradient => sam(options),
  }),
  asam: entry({
    summary: "the same relative to the size of each score (Kwon et al. 2021)",
    options: asamOptions,
    create: (options, _context: Readonly<Record<string, never>>): ScoreGradient => asam(options),
  }),
  awp: entry({
    summary: "the gradient at the worst kept weights within gamma, scores as they are (Wu et al. 2020)",
    options: awpOptions,
    create: (options, _context: Readonly<Record<string, never>>): ScoreGradient => awp(options),
  }),
  random: entry({
    summary: "the gradient at scores perturbed at random, as far as s2ap perturbs them",
    options: randomOptions,
    create: (options, _context: Readonly<Record<string, never>>): ScoreGradient => randomPerturbation(options),
  }),
});
