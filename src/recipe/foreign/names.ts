// Names of a foreign state_dict: what wrappers put before them, and which tensors are the network's.
import type { RawTensor } from "../../nn/index.js";
import { DataError, show } from "../../util/index.js";
import type { Dropped } from "./checkpoint.js";

/** Put before every name by DataParallel, torch.compile and wrappers. */
const ON_ALL = ["module.", "_orig_mod.", "model."] as const;
/** A wrapper that normalises images has tensors of its own beside the network's. */
const NORMALISING = "basic_model.";

interface Stripped {
  readonly prefix: string;
  readonly tensors: ReadonlyMap<string, RawTensor>;
  readonly warnings: readonly string[];
}

/** Names without what all of them begin with. */
export function stripPrefixes(where: string, tensors: ReadonlyMap<string, RawTensor>): Stripped {
  const warnings: string[] = [];
  let names = [...tensors.keys()];
  let prefix = "";
  for (;;) {
    const found = ON_ALL.find((start) => names.every((name) => name.startsWith(start)));
    if (found === undefined) break;
    names = names.map((name) => name.slice(found.length));
    prefix += found;
  }
  if (names.some((name) => name.startsWith(NORMALISING))) {
    names = names.map((name) => (name.startsWith(NORMALISING) ? name.slice(NORMALISING.length) : name));
    prefix += NORMALISING;
    warnings.push(
      `the network stood in a wrapper (${NORMALISING}) that normalises its images, with numbers that may not be in the file`,
    );
  }
  const mixed = names.filter((name) => name.startsWith("module.")).length;
  if (mixed > 0) warnings.push(`${mixed} of ${names.length} names begin with module. and the others do not`);
  const values = [...tensors.values()];
  const stripped = new Map(names.map((name, i) => [name, values[i] as RawTensor]));
  if (stripped.size < names.length) {
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    throw new DataError(`${where}: expected each name once, got ${show(twice)} with and without a prefix`, {
      code: "data/layout",
    });
  }
  return { prefix, tensors: stripped, warnings };
}

/** Tensors by what they are; scores and the like by the name of their weight. */
export interface Sorted {
  readonly state: Map<string, RawTensor>;
  /** `popup_scores` of HYDRA and HARP. */
  readonly popupScores: Map<string, RawTensor>;
  /** `k_score` of HARP. */
  readonly rates: Map<string, RawTensor>;
  /** `scores` of RST. */
  readonly scores: Map<string, RawTensor>;
  /** `mask_weight` and `mask_bias` of MAD, before softplus. */
  readonly softMasks: Map<string, RawTensor>;
  /** `weight_mask` of torch.nn.utils.prune. */
  readonly masks: Map<string, RawTensor>;
  readonly dropped: readonly Dropped[];
}

const UNUSED: readonly (readonly [RegExp, string])[] = [
  [/(^|\.)sub_block\d*\./, "a copy of the first stage that HYDRA's WRN has and does not use"],
  [/(^|\.)num_batches_tracked$/, "a count that batch norm with a fixed momentum does not need"],
];

/** Takes scores, rates and masks out of a state_dict, and leaves out what no network uses. */
export function sortTensors(tensors: ReadonlyMap<string, RawTensor>): Sorted {
  const empty = () => new Map<string, RawTensor>();
  const dropped: Dropped[] = [];
  const sorted: Sorted = {
    state: empty(),
    popupScores: empty(),
    rates: empty(),
    scores: empty(),
    softMasks: empty(),
    masks: empty(),
    dropped,
  };
  for (const [name, tensor] of tensors) {
    const why = UNUSED.find(([pattern]) => pattern.test(name))?.[1];
    if (why !== undefined) dropped.push({ name, why });
    else place(sorted, name, tensor, tensors);
  }
  return sorted;
}

function place(sorted: Sorted, name: string, tensor: RawTensor, all: ReadonlyMap<string, RawTensor>): void {
  const [, layer = "", leaf = name] = /^(.*\.)?([^.]*)$/s.exec(name) ?? [];
  const owner = `${layer}weight`;
  if (leaf === "popup_scores") sorted.popupScores.set(owner, tensor);
  else if (leaf === "k_score") sorted.rates.set(owner, tensor);
  else if (leaf === "scores" && all.has(owner)) sorted.scores.set(owner, tensor);
  else if (leaf === "mask_weight" || leaf === "mask_bias") sorted.softMasks.set(layer + leaf.slice(5), tensor);
  else if (leaf.endsWith("_mask") && all.has(`${name.slice(0, -5)}_orig`)) {
    sorted.masks.set(name.slice(0, -5), tensor);
  } else if (leaf.endsWith("_orig") && all.has(`${name.slice(0, -5)}_mask`)) {
    sorted.state.set(name.slice(0, -5), tensor);
  } else sorted.state.set(name, tensor);
}
