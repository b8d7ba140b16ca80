// Which layout a checkpoint has, and its tensors taken apart by it. The layouts are those of the programs that people have
// pruned with; docs/checkpoints.md has the table.
//   HYDRA       dict, state_dict; popup_scores beside weights       HARP   the same with k_score
//   RST         dict, state_dict, module.; scores beside weights    MAD    dict, net; mask_weight, mask_bias
//   FlyingBird  dict, state_dict, mask_info.masks NAME_INDEX        AWP    dict, state_dict, test_*
//   TwinRep     a bare state_dict with zeros                        benchmark   dict, state_dict or net, with zeros
import type { PtValue, RawTensor } from "../../nn/index.js";
import { DataError, expected, show } from "../../util/index.js";
import type { Dropped, ForeignCheckpoint, LayoutName, OpenedFile } from "./checkpoint.js";
import { type Contents, contentsOf, isTensor, scalar } from "./contents.js";
import { applySoftMasks } from "./mad.js";
import { type Sorted, sortTensors, stripPrefixes } from "./names.js";
import { openForeign } from "./open.js";
import { ownCheckpoint } from "./own.js";
import { scoresFor } from "./scores.js";
import { LEAST_SPARSITY, layerZeros, sparsityOf } from "./zeros.js";

interface Recognised {
  readonly layout: LayoutName;
  readonly because: string;
}

/** By what only one program writes; then by zeros. */
function recognise({ wrapper, beside }: Contents, sorted: Sorted, stored: number): Recognised {
  const { popupScores, rates, scores, softMasks } = sorted;
  const has = (...keys: readonly string[]) => keys.every((key) => beside.has(key));
  if (rates.size > 0 && popupScores.size > 0) return { layout: "harp", because: "popup_scores and k_score" };
  if (rates.size > 0) return { layout: "harp", because: "k_score without popup_scores: an export of HARP" };
  if (popupScores.size > 0) return { layout: "hydra", because: "popup_scores" };
  if (scores.size > 0) return { layout: "rst", because: "scores beside weights" };
  if (softMasks.size > 0) return { layout: "mad", because: "mask_weight" };
  if (stored > 0 && has("mask_info")) return { layout: "flyingbird", because: "mask_info" };
  if (has("best_sa", "best_ra")) return { layout: "flyingbird", because: "best_sa and best_ra" };
  if (wrapper === "state_dict" && [...beside.keys()].some((key) => key.startsWith("test_"))) {
    return { layout: "awp", because: "state_dict and test_..." };
  }
  const sparsity = sparsityOf(layerZeros(sorted.state));
  const zeros = `${(100 * sparsity).toFixed(1)} % zeros`;
  if (sparsity < LEAST_SPARSITY) return { layout: "plain", because: wrapper ?? "a bare state_dict" };
  if (wrapper === undefined)
    return { layout: "twinrep", because: `a bare state_dict with ${zeros}, as TwinRep, R-ADMM and PwoA leave` };
  return { layout: "benchmark", because: `${wrapper} with ${zeros}` };
}

/** FlyingBird's masks, `NAME_INDEX` with the index of the parameter, by weight name. */
function birdMasks(beside: Contents["beside"], state: ReadonlyMap<string, RawTensor>, dropped: Dropped[]) {
  const info = beside.get("mask_info");
  const found = new Map<string, RawTensor>();
  const masks: PtValue | undefined = info instanceof Map ? info.get("masks") : undefined;
  if (!(masks instanceof Map)) return found;
  for (const [key, mask] of masks) {
    const name = String(key)
      .replace(/^(module\.)+/, "")
      .replace(/_\d+$/, "");
    const fits = isTensor(mask) && String(state.get(name)?.shape) === String(mask.shape);
    if (fits) found.set(name, mask);
    else dropped.push({ name: `mask_info.masks.${String(key)}`, why: "a mask of no weight in the file" });
  }
  return found;
}

const MASKS_TAKEN = "how its masks came about; the masks themselves are taken";

/** Of the name that a mask is for. */
function softMask(name: string): Dropped {
  const [, layer = "", leaf = ""] = /^(.*\.)?([^.]*)$/s.exec(name) ?? [];
  return { name: `${layer}mask_${leaf}`, why: "multiplied into what it masks" };
}

function harpRates(where: string, rates: ReadonlyMap<string, RawTensor>): Map<string, number> {
  return new Map(
    Array.from(rates, ([name, rate]) => {
      if (rate.shape.some((side) => side !== 1)) {
        const what = `one number in k_score of ${show(name)}`;
        throw new DataError(expected(where, what, `[${rate.shape}]`), { code: "data/layout" });
      }
      return [name, scalar(rate)];
    }),
  );
}

function warningsOf(sorted: Sorted): string[] {
  const warnings: string[] = [];
  if (sorted.rates.size > 0 && sorted.popupScores.size === 0) {
    warnings.push(
      "HARP exports dense files with one keep ratio for all layers, which are not the masks it learned: import the checkpoint that it was made from",
    );
  }
  const narrow = Array.from(sorted.state).filter(([, { dtype }]) => dtype === "float16" || dtype === "bfloat16");
  if (narrow.length > 0) warnings.push(`${narrow.length} tensors are in 16 bits: they are widened to float32`);
  if (sorted.state.size > 0 && [...sorted.state.values()].every(({ dtype }) => dtype === "uint8" || dtype === "bool")) {
    warnings.push("all tensors are of whole bytes: masks, perhaps, but no network");
  }
  return warnings;
}

/** Takes a file's values apart; DataError where they are no network's. */
export function recogniseCheckpoint(file: OpenedFile): ForeignCheckpoint {
  const own = ownCheckpoint(file);
  if (own) return own;
  const { where, container } = file;
  const contents = contentsOf(file);
  const { prefix, tensors, warnings } = stripPrefixes(where, contents.tensors);
  const sorted = sortTensors(tensors);
  const dropped = [...sorted.dropped, ...contents.dropped];
  const stored = sorted.masks.size > 0 ? sorted.masks : birdMasks(contents.beside, sorted.state, dropped);
  const isBirds = sorted.masks.size === 0 && stored.size > 0;
  const left = dropped.map((d) => (isBirds && d.name === "mask_info" ? { ...d, why: MASKS_TAKEN } : d));
  const soft = sorted.softMasks.size > 0 ? applySoftMasks(where, sorted.state, sorted.softMasks) : undefined;
  return {
    where,
    ...recognise(contents, sorted, stored.size),
    container,
    prefix,
    state: soft?.state ?? sorted.state,
    scores: scoresFor(where, sorted.state, new Map([...sorted.scores, ...sorted.popupScores])),
    rates: harpRates(where, sorted.rates),
    masks: soft?.masks ?? stored,
    facts: contents.facts,
    dropped: [...left, ...Array.from(sorted.softMasks.keys(), softMask)],
    warnings: [...warnings, ...warningsOf(sorted)],
  };
}

/** Reads a file of any layout, safetensors or torch.save's, whatever its name says. */
export function readForeign(path: string): ForeignCheckpoint {
  return recogniseCheckpoint(openForeign(path));
}
