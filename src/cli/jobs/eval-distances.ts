// Distances by a minimum-norm attack: on the images asked for (`--preset curve`), or on a preset's own beside its list.
import { isSearchAttack, type Threat } from "../../attacks/index.js";
import {
  type AttackSpec,
  buildAttack,
  type Check,
  type DistanceFile,
  type DistanceKey,
  type Distances,
  distancesOf,
  emptyDistances,
  type FmnOptionSearch,
  fmnOptionsOn,
  knownDistances,
  minimumNorms,
  type Nearest,
  preset,
  saveDistances,
  saveNearest,
  timeLeft,
  trialsOf,
  withMore,
  withTrial,
} from "../../evaluation/index.js";
import { buildThreat } from "../../recipe/build.js";
import { expected, makeFolder, UsageError } from "../../util/index.js";
import type { JobContext } from "../jobs.js";
import type { EvalOptions } from "./eval-options.js";
import type { Opened } from "./eval-source.js";
import { type Spec, withSteps } from "./eval-specs.js";

/** As many images as are measured before what is known is written. */
const BLOCK = 128;

type Context = JobContext & {
  readonly poll: () => void;
  /** Told of the distances that are known after each block. */
  readonly onBlock?: (known: Distances) => void;
};

interface Wanted {
  readonly spec: Spec;
  readonly eps: string;
  readonly norm: "linf" | "l2" | "l1";
  /** Positions in the split. */
  readonly positions: readonly number[];
  readonly seed: number;
  /** FMN's options are searched for first. */
  readonly search?: FmnOptionSearch | undefined;
}

function searchAttackOf({ name, options }: Spec, threat: Threat) {
  const built = buildAttack(name, options, threat);
  if (isSearchAttack(built.attack)) return { name, options: built.options, attack: built.attack };
  throw new UsageError(expected("eval", "a minimum-norm attack (fmn, fab, fab-t)", name));
}

/** A measurement on its way: what is known, and where it is kept. */
interface Measurement {
  file: DistanceFile;
  readonly threat: Threat;
  save(next: DistanceFile): void;
  /** Keeps the points of the next images, before their distances are saved. */
  keep(nearest: Nearest): void;
}

/** What is known of a measurement; with `--out` from its file, and each step is written there. */
function beginMeasurement({ model, split, origin, options: { out } }: Opened, wanted: Wanted): Measurement {
  const { spec, norm, eps, positions, seed, search } = wanted;
  const threat = buildThreat({ threat: { norm, eps } });
  const { name, options: parsed } = searchAttackOf(spec, threat);
  const key: DistanceKey = JSON.parse(
    JSON.stringify({
      weights: origin.sha256,
      data: split.dataset.source.sha256,
      spec: model.spec,
      attack: name,
      options: search === undefined ? parsed : { ...parsed, search },
      norm,
      seed,
      indices: positions.map((at) => split.indices[at]),
    }),
  );
  const known = out === undefined ? undefined : knownDistances(out, key);
  if (out !== undefined) makeFolder(out);
  return {
    file: known === undefined ? emptyDistances(key, threat) : { ...known, eps: threat.epsText, radius: threat.eps },
    threat,
    save(next) {
      this.file = next;
      if (out !== undefined) saveDistances(out, next);
    },
    keep(nearest) {
      if (out !== undefined) saveNearest(out, this.file.distances.length, nearest, key);
    },
  };
}

/** Searches for the options of the attack, from the trials that are known on. */
function searchOptions(
  { model, split }: Opened,
  { spec, search, seed }: Wanted,
  to: Measurement,
  context: Context,
): void {
  if (search === undefined || to.file.used !== undefined) return;
  const { first, count } = search.images;
  const left = timeLeft();
  const found = fmnOptionsOn(model, split, to.threat, search, {
    ...{ loss: spec.options.loss as "dlr", seed, known: trialsOf(to.file), poll: context.poll },
    onTrial(made) {
      to.save(withTrial(to.file, made));
      const [done, of] = [to.file.trials?.length ?? 0, search.trials];
      const what = `${spec.name}: options, on images ${first} to ${first + count - 1}`;
      context.report({ kind: "measuring", run: "", what, done, of, secondsLeft: left(done, of) });
    },
  });
  const { options } = searchAttackOf({ ...spec, options: { ...found, ...spec.options } }, to.threat);
  to.save({ ...to.file, used: options as DistanceKey["options"] });
}

/** Measures block by block; with `--out` what is known is kept, and gone on with. */
function measureDistances(opened: Opened, wanted: Wanted, context: Context): Distances {
  const { model, split } = opened;
  const { spec, positions, seed } = wanted;
  const to = beginMeasurement(opened, wanted);
  searchOptions(opened, wanted, to, context);
  const options = (to.file.used ?? spec.options) as Spec["options"];
  const { attack } = searchAttackOf({ ...spec, options }, to.threat);
  for (let done = to.file.distances.length; done < positions.length; done += BLOCK) {
    const indices = positions.slice(done, done + BLOCK);
    const onNearest = (nearest: Nearest) => to.keep(nearest);
    const found = minimumNorms(model, split, attack, { indices, seed, shouldStop: context.poll, onNearest });
    to.save(withMore(to.file, found));
    context.onBlock?.(distancesOf(to.file));
    const { distances, radius } = to.file;
    const robust = distances.filter((distance) => distance === null || distance > radius).length;
    context.report({
      ...{ kind: "evaluation", run: "", attack: spec.name },
      ...{ done: distances.length, of: positions.length, robust },
    });
  }
  return distancesOf(to.file);
}

/** Whether the command line asks for distances and not for a list of attacks. */
export const isCurve = ({ preset: name }: EvalOptions): boolean =>
  name !== undefined && preset(name).distances === true;

/** Options that distances do not have, with their flags. */
const ONLY_LISTS = {
  shard: "shards",
  until: "until",
  warmStart: "warm-start",
  individual: "individual",
  faithful: "faithful",
  precision: "precision",
  batchSize: "batch-size",
} as const;

const MINIMUM_NORM = ["fmn", "fab", "fab-t"];

/** The attack that is asked for in place of the preset's own. */
function insteadOf(name: string, asked: readonly Spec[]): Spec | undefined {
  const [only] = asked;
  if (asked.length === 0 || (asked.length === 1 && MINIMUM_NORM.includes((only as Spec).name))) return only;
  const what = `--preset ${name} with at most one --attack, of ${MINIMUM_NORM.join(", ")}`;
  throw new UsageError(expected("eval", what, asked.map((spec) => spec.name).join(", ")));
}

/** The distances of `--preset curve`. */
export function curveDistances(opened: Opened, asked: readonly Spec[], seed: number, context: Context): Distances {
  const { options, split, threat } = opened;
  const name = options.preset as string;
  for (const [option, flag] of Object.entries(ONLY_LISTS)) {
    if (options[option as keyof typeof ONLY_LISTS] === undefined) continue;
    throw new UsageError(`eval: expected --preset ${name} without --${flag}: it is no list of attacks`);
  }
  if (threat === undefined) throw new UsageError(`eval: expected --eps with --preset ${name}, e.g. --eps 8/255`);
  const own = preset(name).lists[threat.norm][0] as AttackSpec;
  const { name: attack, options: given = {} } = insteadOf(name, asked) ?? own;
  const count = Math.min(options.examples ?? split.length, split.length);
  const positions = Array.from({ length: count }, (_, i) => i);
  const spec = withSteps({ name: attack, options: given }, options.steps);
  return measureDistances(opened, { spec, ...threat, positions, seed }, context);
}

/** What a preset wants beside its list, or why it could not be had. */
export interface Beside {
  readonly minimumNorm?: Distances;
  readonly leftOut?: Check;
}

/** The distances that a preset wants beside its list, of images of its own. */
export function distancesBeside(opened: Opened, seed: number, context: Context): Beside {
  const { options, split, threat } = opened;
  const wanted = options.preset === undefined ? undefined : preset(options.preset).minimumNorm;
  if (wanted === undefined || options.shard !== undefined) return {};
  const { attack, eps, norm, search } = wanted;
  const { first, count } = wanted.images;
  const last = first + count - 1;
  const without = (why: string, leftOut = ""): Beside => {
    const message = `${options.preset}: ${why}; its ${attack.name} part${leftOut} is left out`;
    context.report({ kind: "warning", text: message });
    const values = { attack: attack.name, first, last };
    return { leftOut: { code: "minimum-norm-left-out", severity: "warning", message, values } };
  };
  if (threat?.norm !== norm) return without(`expected a threat in ${norm}, got ${threat?.norm}`, " with the claim");
  if (split.length <= last) return without(`expected the images ${first} to ${last}, got a set of ${split.length}`);
  const spec = withSteps({ name: attack.name, options: attack.options ?? {} }, options.steps);
  const positions = Array.from({ length: count }, (_, i) => first + i);
  context.report({ kind: "message", text: `${attack.name} on images ${first} to ${last}` });
  const trials = search && { ...search, steps: Math.min(search.steps, options.steps ?? search.steps) };
  return { minimumNorm: measureDistances(opened, { spec, norm, eps, positions, seed, search: trials }, context) };
}
