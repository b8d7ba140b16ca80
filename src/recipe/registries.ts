import { attacks, threatSchema } from "../attacks/index.js";
import { datasets } from "../data/index.js";
import { losses } from "../losses/index.js";
import { models } from "../models/index.js";
import { optimizers, schedules } from "../optim/index.js";
import { methods } from "../pruning/index.js";
import { gradients } from "../sharpness/index.js";
import { weightGradients } from "../train/index.js";
import type { Registries } from "./schema.js";

/** Everything that s2ap brings along, by name; a plugin adds to these. */
export const registries = {
  threat: threatSchema,
  models,
  datasets,
  attacks,
  losses,
  optimizers,
  schedules,
  methods,
  gradients,
  weightGradients,
} satisfies Registries;
