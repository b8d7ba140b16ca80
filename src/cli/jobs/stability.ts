import type { Attack } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import {
  disposeView,
  type FunctionalStability,
  functionalStability,
  type MaskStability,
  maskStability,
  type NetworkView,
  networkView,
  type Robustness,
  robustSets,
  type SeriesPoint,
} from "../../evaluation/index.js";
import { disposeParams } from "../../nn/index.js";
import type { Masks } from "../../pruning/index.js";
import { buildData, buildThreat, selectionAttack } from "../../recipe/build.js";
import { loadModel } from "../../recipe/model-file.js";
import { DataError, expected, rng, S2apError, UsageError } from "../../util/index.js";
import type { Job, JobContext } from "../jobs.js";
import { compareFolders, readResult } from "./eval-records.js";
import { thinned } from "./run.js";
import {
  commonRecipe,
  type EpochMasks,
  epochMasksOf,
  masksOf,
  networkFile,
  openRuns,
  type StabilityRun,
  seriesOf,
} from "./stability-runs.js";

export interface StabilityOptions {
  readonly runs: readonly string[];
  /** Test images that networks are compared on; 0 for none: masks and logs alone. */
  readonly images: number;
  /** Layers whose features are compared too. */
  readonly layers: readonly string[];
  /** Folders of finished evaluations, one a run, that robust sets are taken from; default: PGD-10 here. */
  readonly records: readonly string[];
  /** Of the attack's noise and the bootstrap. */
  readonly seed: number;
}

export interface StabilityPair {
  readonly a: string;
  readonly b: string;
  /** null where one of them has no masks, or they are of different networks. */
  readonly masks: MaskStability | null;
  /** null where no images were asked for, or it was stopped before. */
  readonly functional: FunctionalStability | null;
}

export interface StabilityResult {
  readonly status: "done" | "stopped";
  readonly runs: readonly {
    readonly name: string;
    readonly folder: string;
    readonly seed: number;
    /** The search's epochs; empty where it has none. */
    readonly series: readonly SeriesPoint[];
    /** null where the folder has kept none of them. */
    readonly masks: EpochMasks | null;
  }[];
  /** What the networks were compared on; null where they were not. */
  readonly on: {
    readonly data: string;
    readonly examples: number;
    /** What robust sets were measured with, here or in the records. */
    readonly attack: string;
    readonly norm: string;
    readonly eps: string;
  } | null;
  readonly pairs: readonly StabilityPair[];
}

interface Pair {
  readonly a: number;
  readonly b: number;
}

const pairsOf = (n: number): Pair[] =>
  Array.from({ length: n }, (_, a) => Array.from({ length: n - a - 1 }, (_x, i) => ({ a, b: a + 1 + i }))).flat();

function maskPairs(runs: readonly StabilityRun[], { report }: JobContext): (MaskStability | null)[] {
  const masks = runs.map(masksOf);
  const compare = (pair: Pair, a: Masks | undefined, b: Masks | undefined): MaskStability | null => {
    if (a === undefined || b === undefined) return null;
    try {
      return maskStability(a, b);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      report({ kind: "warning", text: `${runs[pair.a]?.name}, ${runs[pair.b]?.name}: ${error.message}` });
      return null;
    }
  };
  try {
    return pairsOf(runs.length).map((pair) => compare(pair, masks[pair.a], masks[pair.b]));
  } finally {
    for (const each of masks) if (each !== undefined) disposeParams(each);
  }
}

/** Without them, and with a warning, where a file of theirs is damaged. */
function epochMasks(run: StabilityRun, { report }: JobContext): EpochMasks | null {
  try {
    return epochMasksOf(run);
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    report({ kind: "warning", text: `${error.message}; ${run.name} is told without the masks of its epochs` });
    return null;
  }
}

interface Compared {
  readonly on: NonNullable<StabilityResult["on"]>;
  readonly pairs: readonly FunctionalStability[];
}

/** What evaluations found, one a run, in the runs' order. */
function openRecords(runs: readonly StabilityRun[], folders: readonly string[]): readonly Robustness[] {
  if (folders.length === runs.length) return folders.map(readResult);
  const names = runs.map(({ name }) => name).join(", ");
  throw new UsageError(expected("--record", `one for each run, in the order ${names}`, folders.join(" ")));
}

/** Looks at each network, and attacks it where no record says what it withstands. */
async function look(
  runs: readonly StabilityRun[],
  split: Split,
  attack: Attack | undefined,
  { options, poll, send }: { options: StabilityOptions; poll: () => void; send: JobContext["report"] },
): Promise<NetworkView[]> {
  const views: NetworkView[] = [];
  try {
    for (const { name: run, file } of runs.map((each) => ({ ...each, file: networkFile(each) }))) {
      const model = loadModel(file);
      try {
        const onProgress = (progress: { readonly done: number; readonly of: number; readonly robust: number }) =>
          send({ kind: "evaluation", run, attack: attack?.name ?? "clean", ...progress });
        const { images: examples, layers, seed } = options;
        views.push(networkView(model, split, { examples, attack, seed, layers, poll, onProgress }));
      } finally {
        disposeParams(model.params, model.buffers);
      }
    }
    return views;
  } catch (error) {
    for (const view of views) disposeView(view);
    throw error;
  }
}

/** Looks at each network once, then compares them in pairs. */
async function functionalPairs(
  runs: readonly StabilityRun[],
  options: StabilityOptions,
  { shouldStop, report }: JobContext,
): Promise<Compared> {
  const recipe = commonRecipe(runs);
  const records = options.records.length === 0 ? undefined : openRecords(runs, options.records);
  const { test: split } = await buildData(recipe, (text) => report({ kind: "message", text }));
  const threat = buildThreat(recipe);
  const attack = selectionAttack(threat);
  const poll = () => {
    if (shouldStop()) throw new S2apError("stability: stopped as asked", { code: "stopped" });
  };
  const views = await look(runs, split, records ? undefined : attack, { options, poll, send: thinned(report) });
  try {
    const pairs = pairsOf(runs.length).map(({ a, b }) => {
      poll();
      const key = rng(options.seed, "stability", "bootstrap");
      const found = functionalStability(views[a] as NetworkView, views[b] as NetworkView, { rng: key });
      const [ours, theirs] = [options.records[a], options.records[b]];
      if (ours === undefined || theirs === undefined) return found;
      const { robust, differences } = compareFolders(ours, theirs);
      const pair = `${runs[a]?.name}, ${runs[b]?.name}`;
      for (const difference of differences) report({ kind: "warning", text: `records of ${pair}: ${difference}` });
      return { ...found, robustSets: robustSets(robust) };
    });
    const {
      preset: name,
      norm,
      eps,
    } = records?.[0] ?? {
      ...{ preset: attack.name, norm: threat.norm, eps: threat.epsText },
    };
    const { examples = 0 } = pairs[0] ?? {};
    return { on: { data: split.dataset.name, examples, attack: name, norm, eps }, pairs };
  } finally {
    for (const view of views) disposeView(view);
  }
}

function warnOfThreats(runs: readonly StabilityRun[], { report }: JobContext): void {
  const of = ({ recipe }: StabilityRun) => (recipe ? `${recipe.threat.norm} ${recipe.threat.eps}` : "");
  const [first] = runs;
  const other = runs.find((run) => first !== undefined && of(run) !== of(first));
  if (first === undefined || other === undefined) return;
  const text = `${other.name} was trained for ${of(other)}; all are attacked at ${of(first)}, as ${first.name}`;
  report({ kind: "warning", text });
}

/** Compares the masks and networks of runs in pairs, and reads each run's series of masks. Writes nothing. */
export const job: Job<StabilityOptions, StabilityResult> = async (options, context) => {
  const runs = openRuns(options.runs);
  const told = runs.map((run) => {
    const { name, folder, manifest } = run;
    return { name, folder, seed: manifest.seed, series: seriesOf(run), masks: epochMasks(run, context) };
  });
  const masks = maskPairs(runs, context);
  let compared: Compared | undefined;
  let status: StabilityResult["status"] = "done";
  if (runs.length > 1 && options.images > 0) {
    if (options.records.length === 0) warnOfThreats(runs, context);
    try {
      compared = await functionalPairs(runs, options, context);
    } catch (error) {
      if (!(error instanceof S2apError && error.code === "stopped")) throw error;
      status = "stopped";
    }
  }
  const pairs = pairsOf(runs.length).map(({ a, b }, i) => ({
    ...{ a: told[a]?.name ?? "", b: told[b]?.name ?? "" },
    ...{ masks: masks[i] ?? null, functional: compared?.pairs[i] ?? null },
  }));
  return { status, runs: told, on: compared?.on ?? null, pairs };
};
