// A list of attacks, each on what those before it left; in memory, or as a record on disk.
import type { Threat } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import {
  attackList,
  buildAttacks,
  evaluationMode,
  faithfulSpecs,
  type ListProgress,
  loadAdversarial,
  type Robustness,
  timeLeft,
} from "../../evaluation/index.js";
import type { Model } from "../../models/index.js";
import { EMULATED_BFLOAT16, hasBfloat16, scope } from "../../torch/index.js";
import type { JobContext } from "../jobs.js";
import type { EvalOptions } from "./eval-options.js";
import type { List } from "./eval-specs.js";

function teller({ report }: JobContext, shard: EvalOptions["shard"]) {
  const left = timeLeft();
  return (told: ListProgress) => {
    const { attack, run, work, standing, bound, interval, ownBroken, examples } = told;
    report({
      ...{ kind: "evaluation", run: "", attack: run === "" ? attack : `${attack} ${run}` },
      ...{ ...work, robust: standing },
      bound: {
        ...{ accuracy: bound, interval, secondsLeft: left(work.done, work.of) },
        ...(shard !== undefined && { part: { broken: ownBroken, examples } }),
      },
    });
  };
}

/** What is run, on what. */
interface ListRun {
  readonly model: Model;
  readonly split: Split;
  readonly threat: Threat;
  readonly list: List;
}

/** Runs the list. */
export function runList(
  { model, split, threat, list }: ListRun,
  options: EvalOptions & { readonly seed: number; readonly sparsity: number | undefined },
  context: JobContext & {
    readonly poll: () => void;
    readonly onInterrupted: (known: Robustness) => void;
  },
): Robustness {
  const { warmStart, out, shard, seed, examples, batchSize, until, individual, faithful = false, precision } = options;
  const { report } = context;
  if (precision === "bfloat16" && !hasBfloat16()) report({ kind: "warning", text: EMULATED_BFLOAT16 });
  const specs = faithful ? faithfulSpecs(list.specs) : list.specs;
  return scope(() =>
    attackList(model, split, {
      ...{ threat, attacks: buildAttacks(specs, threat), preset: list.preset, seed },
      ...{ examples, batchSize, shard, until, individual, sparsity: options.sparsity },
      ...evaluationMode(model, { faithful, precision }),
      ...(warmStart !== undefined && { warmStart: loadAdversarial(warmStart) }),
      ...(out !== undefined && { record: { folder: out } }),
      shouldStop: context.poll,
      onInterrupted: context.onInterrupted,
      onProgress: teller(context, shard),
      onWarning: (text) => report({ kind: "warning", text }),
      onCheck: ({ severity, message: text }) => report({ kind: severity === "warning" ? "warning" : "message", text }),
    }),
  );
}
