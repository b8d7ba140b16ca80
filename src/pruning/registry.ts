import { entry, registry } from "../util/index.js";
import { hydra, hydraOptions } from "./hydra.js";
import { magnitude, magnitudeOptions } from "./magnitude.js";
import type { Method } from "./method.js";

export const methods = registry("method", {
  hydra: entry({
    summary: "scores learned under the robust loss, top-k per layer (Sehwag et al. 2020)",
    options: hydraOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => hydra(options),
  }),
  magnitude: entry({
    summary: "largest weights per layer, no search (Han et al. 2015)",
    options: magnitudeOptions,
    create: (options, _context: Readonly<Record<string, never>>): Method => magnitude(options),
  }),
});
