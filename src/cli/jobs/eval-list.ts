// A list of attacks, each on what those before it left; in memory, or as a record on disk.
import type { Threat } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import {
  attackList,
  buildAttacks,
  fastVictim,
  type ListProgress,
  loadAdversarial,
  type Robustness,
} from "../../evaluation/index.js";
import type { Model } from "../../models/index.js";
import { hasBfloat16, scope } from "../../torch/index.js";
import type { JobContext } from "../jobs.js";
import type { EvalOptions } from "./eval-options.js";
import type { List } from "./eval-specs.js";

/** Time to go from the pace since the first report, in seconds. */
function pace(): (done: number, of: number) => number | undefined {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, of) => {
    const at = performance.now() / 1000;
    first ??= { done, at };
    return done - first.done < 2 ? undefined : ((at - first.at) / (done - first.done)) * (of - done);
  };
}

function teller({ report }: JobContext) {
  const left = pace();
  return ({ attack, run, done, of, standing, bound, interval }: ListProgress) =>
    report({
      ...{ kind: "evaluation", run: "", attack: run === "" ? attack : `${attack} ${run}` },
      ...{ done, of, robust: standing },
      bound: { accuracy: bound, interval, secondsLeft: left(done, of) },
    });
}

/** What is run, on what. */
interface ListRun {
  readonly model: Model;
  readonly split: Split;
  readonly threat: Threat;
  readonly list: List;
}

/** Everything broken leaves at once and a faster form of the network searches; `faithful` does neither. */
function speed(model: Model, faithful: boolean) {
  if (faithful) return { leave: false };
  const precision = hasBfloat16() ? "bfloat16" : "float32";
  return { victim: fastVictim(model, { precision }), search: `folded ${precision}` };
}

/** Runs the list. */
export function runList(
  { model, split, threat, list }: ListRun,
  options: EvalOptions & { readonly seed: number },
  context: JobContext & { readonly poll: () => void },
): Robustness {
  const { warmStart, out, shard, seed, examples, batchSize, until, individual } = options;
  const { report } = context;
  return scope(() =>
    attackList(model, split, {
      ...{ threat, attacks: buildAttacks(list.specs, threat), preset: list.preset, seed },
      ...{ examples, batchSize, shard, until, individual },
      ...speed(model, options.faithful ?? false),
      ...(warmStart !== undefined && { warmStart: loadAdversarial(warmStart) }),
      ...(out !== undefined && { record: { folder: out } }),
      shouldStop: context.poll,
      onProgress: teller(context),
      onWarning: (text) => report({ kind: "warning", text }),
      onCheck: ({ severity, message: text }) => report({ kind: severity === "warning" ? "warning" : "message", text }),
    }),
  );
}
