// Distances by a minimum-norm attack: on the images asked for (`--preset curve`), or on a preset's own beside its list.
import { isSearchAttack } from "../../attacks/index.js";
import {
  buildAttack,
  type Check,
  type DistanceFile,
  type DistanceKey,
  type Distances,
  distancesOf,
  emptyDistances,
  knownDistances,
  minimumNorms,
  preset,
  saveDistances,
  withMore,
} from "../../evaluation/index.js";
import { buildThreat } from "../../recipe/build.js";
import { expected, makeFolder, UsageError } from "../../util/index.js";
import type { JobContext } from "../jobs.js";
import type { EvalOptions } from "./eval-options.js";
import type { Opened } from "./eval-source.js";
import { type Spec, withSteps } from "./eval-specs.js";

/** As many images as are measured before what is known is written. */
const BLOCK = 128;

type Context = JobContext & { readonly poll: () => void };

interface Wanted {
  readonly spec: Spec;
  readonly eps: string;
  readonly norm: "linf" | "l2" | "l1";
  /** Positions in the split. */
  readonly positions: readonly number[];
  readonly seed: number;
}

/** Measures block by block; with `--out` what is known is kept, and gone on with. */
function measureDistances({ model, split, origin, options }: Opened, wanted: Wanted, context: Context): Distances {
  const { spec, norm, eps, positions, seed } = wanted;
  const threat = buildThreat({ threat: { norm, eps } });
  const { attack, name, options: parsed } = buildAttack(spec.name, spec.options, threat);
  if (!isSearchAttack(attack)) {
    throw new UsageError(expected("eval", "a minimum-norm attack (fmn, fab, fab-t)", name));
  }
  const key: DistanceKey = JSON.parse(
    JSON.stringify({
      weights: origin.sha256,
      data: split.dataset.source.sha256,
      spec: model.spec,
      attack: name,
      options: parsed,
      norm,
      seed,
      indices: positions.map((at) => split.indices[at]),
    }),
  );
  const known = options.out === undefined ? undefined : knownDistances(options.out, key);
  const { eps: radius, epsText } = threat;
  let file: DistanceFile = known === undefined ? emptyDistances(key, threat) : { ...known, eps: epsText, radius };
  if (options.out !== undefined) makeFolder(options.out);
  for (let done = file.distances.length; done < positions.length; done += BLOCK) {
    const indices = positions.slice(done, done + BLOCK);
    file = withMore(file, minimumNorms(model, split, attack, { indices, seed, shouldStop: context.poll }));
    if (options.out !== undefined) saveDistances(options.out, file);
    const robust = file.distances.filter((distance) => distance === null || distance > radius).length;
    context.report({
      ...{ kind: "evaluation", run: "", attack: name },
      ...{ done: file.distances.length, of: positions.length, robust },
    });
  }
  return distancesOf(file);
}

/** Whether the command line asks for distances and not for a list of attacks. */
export const isCurve = ({ preset: name }: EvalOptions): boolean =>
  name !== undefined && preset(name).distances === true;

const ONLY_LISTS = ["shard", "until", "warmStart", "individual", "faithful", "precision"] as const;

/** The distances of `--preset curve`. */
export function curveDistances(opened: Opened, asked: readonly Spec[], seed: number, context: Context): Distances {
  const { options, split, threat } = opened;
  const name = options.preset as string;
  for (const option of ONLY_LISTS) {
    if (options[option] === undefined) continue;
    const flag = option === "shard" ? "shards" : option === "warmStart" ? "warm-start" : option;
    throw new UsageError(`eval: expected --preset ${name} without --${flag}: it is no list of attacks`);
  }
  if (threat === undefined) throw new UsageError(`eval: expected --eps with --preset ${name}, e.g. --eps 8/255`);
  if (asked.length > 0) throw new UsageError(`eval: expected --preset ${name} without --attack`);
  const [only] = preset(name).lists[threat.norm];
  const { name: attack, options: given = {} } = only as { name: string; options?: Spec["options"] };
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
  const { attack, eps, norm } = wanted;
  const { first, count } = wanted.images;
  const last = first + count - 1;
  const without = (why: string): Beside => {
    const message = `${options.preset}: ${why}; its ${attack.name} part is left out`;
    context.report({ kind: "warning", text: message });
    const values = { attack: attack.name, first, last };
    return { leftOut: { code: "minimum-norm-left-out", severity: "warning", message, values } };
  };
  if (threat?.norm !== norm) return without(`expected a threat in ${norm}, got ${threat?.norm}`);
  if (split.length <= last) return without(`expected the images ${first} to ${last}, got a set of ${split.length}`);
  const spec = withSteps({ name: attack.name, options: attack.options ?? {} }, options.steps);
  const positions = Array.from({ length: count }, (_, i) => first + i);
  context.report({ kind: "message", text: `${attack.name} on images ${first} to ${last}` });
  return { minimumNorm: measureDistances(opened, { spec, norm, eps, positions, seed }, context) };
}
