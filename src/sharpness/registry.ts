import { z } from "zod";
import { entry, registry } from "../util/index.js";
import type { ScoreGradient } from "./gradient.js";
import { plain } from "./plain.js";
import { s2ap, s2apOptions } from "./s2ap.js";

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
});
