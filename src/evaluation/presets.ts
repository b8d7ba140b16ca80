// Lists of attacks by name. AutoAttack's are those of Croce and Hein, "Reliable evaluation of adversarial robustness with
// an ensemble of diverse parameter-free attacks", ICML 2020, arXiv 2003.01690; for l1 those of "Mind the box: l1-APGD for
// sparse adversarial attacks on image classifiers", ICML 2021, arXiv 2103.01208. All APGD runs have 100 iterations.
import { type Attack, type AttackContext, attacks, type Threat, type ThreatNorm } from "../attacks/index.js";
import { type AnyEntry, parseOptions, unknownName } from "../util/index.js";
import type { FmnOptionSearch } from "./fmn-option-search.js";
import type { NamedAttack } from "./list.js";

/** One attack of a list: a name of the attack registry, and its options. */
export interface AttackSpec {
  readonly name: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

/** A list of attacks as data, and what else belongs to the claim that it stands for. */
export interface Preset {
  readonly summary: string;
  readonly lists: Readonly<Record<ThreatNorm, readonly AttackSpec[]>>;
  /** The radius of the claim, as written, where the preset fixes one. */
  readonly eps?: string;
  /** The list is one minimum-norm attack, of which the distances are wanted and not only what it breaks at the radius. */
  readonly distances?: boolean;
  /** A minimum-norm attack reported beside the list, on these positions of the test set, at this radius. */
  readonly minimumNorm?: {
    readonly norm: ThreatNorm;
    readonly attack: AttackSpec;
    readonly images: { readonly first: number; readonly count: number };
    readonly eps: string;
    /** FMN's options are searched for first, on these positions. */
    readonly search?: FmnOptionSearch;
  };
}

const everyNorm = (list: readonly AttackSpec[]): Preset["lists"] => ({ linf: list, l2: list, l1: list });

const square: AttackSpec = { name: "square", options: { queries: 5000 } };
const fabT: AttackSpec = { name: "fab-t", options: { targets: 9, restarts: 1 } };
const apgdCe = (restarts: number): AttackSpec => ({ name: "apgd-ce", options: { steps: 100, restarts } });
const apgdT = (targets: number): AttackSpec => ({ name: "apgd-t", options: { steps: 100, targets } });

const standard: Preset["lists"] = {
  linf: [apgdCe(1), apgdT(9), fabT, square],
  l2: [apgdCe(1), apgdT(9), fabT, square],
  l1: [apgdCe(5), apgdT(5), fabT, square],
};

const plus: readonly AttackSpec[] = [
  apgdCe(5),
  { name: "apgd-dlr", options: { steps: 100, restarts: 5 } },
  { name: "fab", options: { restarts: 5 } },
  square,
  apgdT(9),
  fabT,
];

const fmn: AttackSpec = { name: "fmn" };

export const presets = {
  quick: {
    summary: "PGD with 20 steps of 2.5 eps / 20; for a look, not for a claim",
    lists: {
      ...everyNorm([{ name: "pgd", options: { steps: 20 } }]),
      l1: [{ name: "apgd-ce", options: { steps: 20 } }],
    },
  },
  apgd: {
    summary: "APGD on cross-entropy and on the targeted DLR loss: the first half of AutoAttack, most of its strength",
    lists: { linf: [apgdCe(1), apgdT(9)], l2: [apgdCe(1), apgdT(9)], l1: [apgdCe(5), apgdT(5)] },
  },
  "aa-standard": { summary: "AutoAttack, version standard", lists: standard },
  "aa-plus": { summary: "AutoAttack, version plus", lists: everyNorm(plus) },
  "aa-rand": {
    summary: "AutoAttack, version rand, for networks that are random by design",
    lists: everyNorm([
      { name: "apgd-ce", options: { steps: 100, restarts: 1, eot: 20 } },
      { name: "apgd-dlr", options: { steps: 100, restarts: 1, eot: 20 } },
    ]),
  },
  "ap-benchmark": {
    summary: "the Adversarial Pruning Benchmark's: AutoAttack standard at eps 0.031, and HO-FMN on 128 images at 8/255",
    lists: standard,
    eps: "0.031",
    minimumNorm: {
      norm: "linf",
      attack: { name: "fmn", options: { steps: 200, loss: "dlr" } },
      images: { first: 2048, count: 128 },
      eps: "8/255",
      // DLR, SGD and a cosine; the images are those that the benchmark's unshuffled loader gives in every trial.
      search: { images: { first: 0, count: 64 }, trials: 32, steps: 100 },
    },
  },
  curve: {
    summary: "FMN (in l1, which it does not search, FAB-T), whose distances give a security curve",
    lists: { linf: [fmn], l2: [fmn], l1: [fabT] },
    distances: true,
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof presets;

/** The preset of a name; UsageError with the known names and the nearest one when there is none. */
export function preset(name: string): Preset {
  const found = Object.hasOwn(presets, name) ? presets[name as PresetName] : undefined;
  if (found === undefined) throw unknownName("preset", "preset", name, Object.keys(presets));
  return found;
}

/** An attack of the registry, by name; its options are checked here. */
export function buildAttack(name: string, options: AttackSpec["options"], threat: Threat): NamedAttack {
  // The registry's rows have options of different types, which their schemas check.
  const row: AnyEntry<AttackContext, Attack> = attacks.get(name) as AnyEntry<AttackContext, Attack>;
  const parsed = parseOptions(name, row.options, options ?? {}) as Record<string, unknown>;
  return { name, attack: row.create(parsed, { threat }), options: parsed };
}

/** Builds the attacks of a list; where a name comes again it gets a number, `pgd#2`. */
export function buildAttacks(list: readonly AttackSpec[], threat: Threat): NamedAttack[] {
  const seen = new Map<string, number>();
  return list.map(({ name, options }) => {
    const times = (seen.get(name) ?? 0) + 1;
    seen.set(name, times);
    return { ...buildAttack(name, options, threat), ...(times > 1 && { name: `${name}#${times}` }) };
  });
}
