// APGD as attacks of one or more runs (apgd-search.ts and l1-apgd.ts have the update rule). `apgd-t` aims at the classes
// of rank 2, 3, ... of the clean image's logits one after another; an image is broken by any wrong class. Each run spends
// itself on what those before left standing.
import { z } from "zod";
import { parseOptions } from "../util/index.js";
import type { ApgdLoss } from "./apgd-loss.js";
import { apgdSearch } from "./apgd-search.js";
import { dlrNotes, dlrTargetedNotes } from "./objectives.js";
import { fewerTargets, type SearchAttack, type SearchRun, searchAttack } from "./search-attack.js";
import type { Threat } from "./threat.js";

export const apgdOptions = z.strictObject({
  steps: z.int().min(1).default(100).describe("gradient steps of a run; default 100"),
  restarts: z.int().min(1).default(1).describe("runs from different random starts; default 1"),
  eot: z
    .int()
    .min(1)
    .default(1)
    .describe("gradients to average in each step, for networks that draw random numbers; default 1"),
});

export const apgdTargetedOptions = apgdOptions.extend({
  restarts: z.int().min(1).default(1).describe("runs from different random starts for each target; default 1"),
  targets: z
    .int()
    .min(1)
    .optional()
    .describe("wrong classes to aim at, the most likely ones first; default 9, in l1 5; never more than there are"),
});

type ApgdOptions = z.output<typeof apgdOptions>;

/** What tells an attack from its kin: whatever is not as AutoAttack has it. */
function called(name: string, { steps, restarts, eot }: ApgdOptions): string {
  const parts = [
    steps === 100 ? "" : `-${steps}`,
    restarts > 1 ? `${steps === 100 ? "-" : ""}x${restarts}` : "",
    eot > 1 ? `-eot${eot}` : "",
  ];
  return name + parts.join("");
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

function untargeted(name: string, loss: ApgdLoss, threat: Threat, options: ApgdOptions): SearchAttack {
  const { steps, restarts, eot } = options;
  const search = apgdSearch(threat, { steps, loss, eot });
  const runs: SearchRun[] = upTo(restarts).map((restart) => ({ key: ["restart", restart], search }));
  return searchAttack(called(name, options), threat, runs, loss === "dlr" ? dlrNotes : undefined);
}

/** APGD on the cross-entropy. */
export function apgdCe(threat: Threat, options: z.input<typeof apgdOptions> = {}): SearchAttack {
  return untargeted("apgd-ce", "ce", threat, parseOptions("apgd-ce", apgdOptions, options));
}

/** APGD on the difference of logits ratio. */
export function apgdDlr(threat: Threat, options: z.input<typeof apgdOptions> = {}): SearchAttack {
  return untargeted("apgd-dlr", "dlr", threat, parseOptions("apgd-dlr", apgdOptions, options));
}

/** APGD on the targeted difference of logits ratio, one target after another. */
export function apgdTargeted(threat: Threat, options: z.input<typeof apgdTargetedOptions> = {}): SearchAttack {
  const usual = threat.norm === "l1" ? 5 : 9;
  const { targets = usual, ...parsed } = parseOptions("apgd-t", apgdTargetedOptions, options);
  const { steps, restarts, eot } = parsed;
  const search = apgdSearch(threat, { steps, loss: "dlr-targeted", eot });
  const runs: SearchRun[] = upTo(targets).flatMap((target) =>
    upTo(restarts).map((restart) => ({ key: ["target", target + 2, restart], rank: target + 2, search })),
  );
  const name = called("apgd-t", parsed) + (targets === usual ? "" : `-${targets}targets`);
  return searchAttack(name, threat, runs, (classes) => [
    ...fewerTargets(classes, targets),
    ...dlrTargetedNotes(classes),
  ]);
}
