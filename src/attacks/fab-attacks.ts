import { z } from "zod";
import { parseOptions } from "../util/index.js";
import { fabSearch } from "./fab.js";
import { fewerTargets, type SearchAttack, type SearchRun, searchAttack } from "./search-attack.js";
import type { Threat } from "./threat.js";

const STEPS = 100;
const TARGETS = 9;

export const fabOptions = z.strictObject({
  steps: z.int().min(1).default(STEPS).describe("steps of each run; default 100"),
  restarts: z
    .int()
    .min(1)
    .default(1)
    .describe("runs; the first begins at the image, others at random points eps/2 away; default 1"),
  alphaMax: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe("largest weight of the way from the image, in [0,1]; default 0.1"),
  eta: z.number().min(1).max(2).default(1.05).describe("length of a step, in ways to the plane; default 1.05"),
  beta: z
    .number()
    .gt(0)
    .max(1)
    .default(0.9)
    .describe("share of its change that a misclassified point keeps, in (0,1]; default 0.9"),
  faithful: z
    .boolean()
    .default(false)
    .describe("always two forward passes a step, as the reference makes, for comparison; default false"),
});

export const fabTOptions = fabOptions.extend({
  targets: z.int().min(1).default(TARGETS).describe("classes to go to, from the second in rank on; default 9"),
});

/** Called by its kind, and by what differs from the standard attack. */
function nameOf(kind: string, { steps, restarts }: { readonly steps: number; readonly restarts: number }): string {
  return `${kind}${steps === STEPS ? "" : `-${steps}`}${restarts > 1 ? `x${restarts}` : ""}`;
}

const counted = (count: number) => Array.from({ length: count }, (_, i) => i);

/** FAB towards whichever class looks nearest: a backward pass for every class but one, each step. */
export function fab(threat: Threat, options: z.input<typeof fabOptions> = {}): SearchAttack {
  const parsed = parseOptions("fab", fabOptions, options);
  const runs = counted(parsed.restarts).map(
    (restart): SearchRun => ({
      key: ["restart", restart],
      search: fabSearch(threat, { ...parsed, randomStart: restart > 0 }),
    }),
  );
  return searchAttack(nameOf("fab", parsed), threat, runs);
}

/** FAB towards one class after the other, by rank among the clean image's logits: one backward pass each step. */
export function fabT(threat: Threat, options: z.input<typeof fabTOptions> = {}): SearchAttack {
  const parsed = parseOptions("fab-t", fabTOptions, options);
  const { targets, restarts } = parsed;
  const runs = counted(targets).flatMap((target) =>
    counted(restarts).map(
      (restart): SearchRun => ({
        key: ["target", target + 2, restart],
        rank: target + 2,
        search: fabSearch(threat, { ...parsed, targeted: true, randomStart: restart > 0 }),
      }),
    ),
  );
  const name = nameOf("fab-t", parsed) + (targets === TARGETS ? "" : `-${targets}targets`);
  return searchAttack(name, threat, runs, (classes) => fewerTargets(classes, targets));
}
