// One unit of work: a run of an attack on a batch of one block's standing images.
import {
  isConstantTarget,
  isSearchAttack,
  judged,
  runSearch,
  type SearchImages,
  type SearchProgress,
  type SearchRun,
  selectImages,
  type Threat,
  targeted,
  type Victim,
} from "../attacks/index.js";
import type { Batch } from "../data/index.js";
import { noGrad, ops, scope, type Tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import { type Confirmed, confirm } from "./confirm.js";
import { addSpent, type Journal, type SearchPlace, type Spent } from "./journal.js";
import type { NamedAttack } from "./list.js";

/** What units share. */
export interface Bench {
  readonly threat: Threat;
  /** Searches. */
  readonly victim: Victim;
  /** Decides. */
  readonly judge: Victim;
  readonly classes: number;
  readonly leave: boolean;
  readonly journal: Journal;
  readonly poll: (() => void) | undefined;
  /** What this unit took so far, in this process. */
  readonly meter: () => Spent;
  /** Told of the share of a search that is done after each of its steps. */
  readonly onShare: (share: number) => void;
}

/** The images of one unit. */
export interface UnitImages extends SearchImages {
  /** Position among the evaluated images of each row. */
  readonly positions: readonly number[];
}

/** What a unit found. */
export interface UnitFound {
  readonly confirmed: Confirmed;
  /** Steps at which the confirmed rows broke; null where the attack does not tell. */
  readonly steps: readonly (number | null)[];
  /** Positions of images without a gradient at the start. */
  readonly zeroGradient: readonly number[];
  /** Positions of images whose misclassified point lies outside ball or box. */
  readonly outside: readonly number[];
  /** What it took in processes before this one. */
  readonly before: Spent;
}

const NOTHING: Spent = { passes: [0, 0], seconds: 0 };

/** An opaque attack has one run, of no search that we could see into. */
export type PlannedRun = { readonly name: string; readonly attack: NamedAttack; readonly search?: SearchRun };

/** The runs of an attack, by the names that a record has for them. */
export function plannedRuns(attack: NamedAttack, names: readonly string[]): PlannedRun[] {
  const { attack: made } = attack;
  if (!isSearchAttack(made)) return [{ name: "", attack }];
  return made.runs.map((search, i) => ({ name: names[i] as string, attack, search }));
}

/** The rows of a block at these positions, with the classes that a search of this rank aims at; undefined without any. */
export function unitImages(
  batch: Batch,
  first: number,
  positions: readonly number[],
  indices: Int32Array,
  target: { readonly ranked: Tensor | undefined; readonly rank: number | undefined },
): UnitImages | undefined {
  const all: SearchImages = { x: batch.x, y: batch.y, indices: indices.subarray(first, first + batch.size) };
  const aimed = target.ranked === undefined ? all : targeted(all, target.ranked, target.rank);
  if (aimed === undefined) return undefined;
  const rows = positions.map((at) => at - first);
  return { ...selectImages(aimed, rows), positions };
}

/** Runs the unit; to be called in a scope. An interrupted search is saved before the interruption goes on. */
export function runUnit(bench: Bench, run: PlannedRun, images: UnitImages, key: Rng, place: SearchPlace): UnitFound {
  return noGrad(() => {
    if (run.search !== undefined) return searched(bench, run.search, images, key, place);
    const { victim, judge, threat, poll } = bench;
    const { x, y, indices } = images;
    const points = run.attack.attack.perturb(victim, x, y, { rng: key, indices, ...(poll && { poll }) });
    const verdicts = judged(judge, threat, x, y, points);
    const confirmed = confirm(judge, threat, x, y, points, verdicts.broken);
    const outside = images.positions.filter((_, row) => verdicts.outside[row]);
    return { confirmed, steps: confirmed.rows.map(() => null), zeroGradient: [], outside, before: NOTHING };
  });
}

/** Rows that a search marks in its first state as having no gradient. */
function withoutGradient({ state, rows, step }: SearchProgress, images: UnitImages): number[] {
  const marked = step === 0 ? state.zeroGradient : undefined;
  if (marked === undefined) return [];
  const flags = marked.toNumbers();
  return [...rows].filter((_, place) => flags[place]).map((row) => images.positions[row] as number);
}

function searched(bench: Bench, run: SearchRun, images: UnitImages, key: Rng, place: SearchPlace): UnitFound {
  const { threat, victim, judge, leave, journal } = bench;
  const saved = journal.saved(place);
  const before = saved?.spent ?? NOTHING;
  const constant = isConstantTarget(bench.classes, run.rank);
  let zeroGradient = saved?.zeroGradient ?? [];
  let latest: SearchProgress | undefined;
  const save = (progress: SearchProgress) =>
    journal.save(place, { progress, zeroGradient, spent: addSpent(before, bench.meter()) });
  const poll = () => {
    try {
      bench.poll?.();
    } catch (error) {
      if (latest !== undefined) save(latest);
      throw error;
    }
  };
  const onStep = (progress: SearchProgress) => {
    latest = progress;
    bench.onShare(progress.step / (run.search.steps + 1));
    if (progress.step === 0 && !constant) zeroGradient = withoutGradient(progress, images);
    if (progress.step > 0 && journal.wantsSnapshot()) save(progress);
  };
  const { positions: _, ...given } = images;
  const context = { ...given, victim, rng: key.at(...run.key) };
  const found = runSearch(run.search, threat, context, { leave, judge, poll, onStep, resume: saved?.progress });
  const confirmed = confirm(judge, threat, images.x, images.y, found.points, found.broken);
  return { confirmed, steps: confirmed.rows.map((row) => found.steps[row] ?? null), zeroGradient, outside: [], before };
}

/** Clean logits of a block, in batches; [B,K], finite. */
export function cleanLogits(judge: Victim, batch: Batch, batchSize: number): Tensor {
  return noGrad(() =>
    scope(() => {
      const parts: Tensor[] = [];
      for (let at = 0; at < batch.size; at += batchSize) {
        const end = Math.min(at + batchSize, batch.size);
        parts.push(judge.logits(ops.slice(batch.x, { start: at, end })));
      }
      return parts.length === 1 ? (parts[0] as Tensor) : ops.cat(parts);
    }),
  );
}
