import { noGrad, ops, scope, Tensor } from "../torch/index.js";
import type { Attack, PerturbOptions, Victim } from "./attack.js";
import { type AttackSearch, positions, runSearch, type SearchImages, selectImages } from "./search.js";
import type { Threat } from "./threat.js";

/** One search of an attack that makes several. */
export interface SearchRun {
  /** What keys its random numbers, within the attack's: `["restart", 0]`, `["target", 2]`. */
  readonly key: readonly (string | number)[];
  /**
   * It aims at the class of this rank among the clean image's logits, 1 the highest. A network with fewer classes is
   * spared the run.
   */
  readonly rank?: number | undefined;
  readonly search: AttackSearch;
}

/** An attack made of searches, each on the images that those before it left standing. */
export interface SearchAttack extends Attack {
  readonly runs: readonly SearchRun[];
  notes(classes: number): readonly string[];
}

export function isSearchAttack(attack: Attack): attack is SearchAttack {
  return "runs" in attack;
}

/** The class of each rank, [N,K]: column r - 1 has the class of rank r. */
export function rankedClasses(logits: Tensor): Tensor {
  return ops.argsort(logits, { dim: 1, descending: true });
}

/** The images with the target of a run's rank; undefined where there is no such class. */
export function targeted<T extends SearchImages>(images: T, ranked: Tensor, rank: number | undefined): T | undefined {
  if (rank === undefined) return images;
  if (rank > (ranked.shape[1] ?? 0)) return undefined;
  return { ...images, target: ops.select(ranked, 1, rank - 1) };
}

/** What a targeted attack says where there are fewer wrong classes than it has targets. */
export function fewerTargets(classes: number, targets: number): readonly string[] {
  if (classes > targets) return [];
  return [`${classes - 1} ${classes === 2 ? "target" : "targets"} in place of ${targets}`];
}

/** An attack from its searches: what each found stands, the others go on to the next. */
export function searchAttack(
  name: string,
  threat: Threat,
  runs: readonly SearchRun[],
  notes: SearchAttack["notes"] = () => [],
): SearchAttack {
  const perturb = (victim: Victim, x: Tensor, y: Tensor, options: PerturbOptions) =>
    noGrad(() => scope(() => perturbed({ threat, runs }, victim, x, y, options)));
  return { name, threat, runs, notes, perturb };
}

function perturbed(
  { threat, runs }: Pick<SearchAttack, "threat" | "runs">,
  victim: Victim,
  x: Tensor,
  y: Tensor,
  { rng, indices, start, poll }: PerturbOptions,
): Tensor {
  const points = ops.clone(x);
  const all: SearchImages = {
    x,
    y,
    indices: indices ?? Int32Array.from({ length: x.shape[0] ?? 0 }, (_, i) => i),
    start: start instanceof Tensor ? start : undefined,
  };
  const ranked = runs.some(({ rank }) => rank !== undefined) ? rankedClasses(victim.logits(x)) : undefined;
  let standing = [...all.indices.keys()];
  for (const { key, rank, search } of runs) {
    const images = ranked === undefined ? all : targeted(all, ranked, rank);
    if (standing.length === 0 || images === undefined) continue;
    standing = scope(() => {
      const context = { ...selectImages(images, standing), victim, rng: rng.at(...key) };
      const found = runSearch(search, threat, context, { poll });
      ops.indexCopy_(points, 0, positions(standing), found.points);
      return standing.filter((_, i) => found.broken[i] === 0);
    });
  }
  return points;
}
