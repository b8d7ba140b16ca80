// Masks of a foreign checkpoint, rebuilt as its program made them:
//   HYDRA, RST   per layer the largest |s|: of N all but trunc((1 - k) N), or round(k C) of C input channels, k asked for
//   HARP         the same with each layer's own rate, in float32, from k_score and K, asked for or inferred
//   FlyingBird, MAD, torch.nn.utils.prune   the masks in the file
//   others       where the weights are not zero

import type { RawTensor } from "../../nn/index.js";
import { keepLargest, keptCount } from "../../pruning/index.js";
import { keptAtRate, keptChannels, learnedRates } from "../../pruning/rates.js";
import { fromBytes, keep, ops, scope, type Tensor, tensor } from "../../torch/index.js";
import { DataError, expected, show, UsageError } from "../../util/index.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import { FLOOR, type Inferred, inferFromZeros, inferHarp, keptShare } from "./keep-ratio.js";
import { granularityOf } from "./scores.js";
import { LEAST_SPARSITY, layerZeros, sparsityOf, weightNames } from "./zeros.js";

export interface MaskOptions {
  /** Share that was kept, in (0, 1]; where files have scores but do not say it. */
  readonly keepRatio?: number | undefined;
  /** Names of prunable weights; default: all weights with two or more dimensions. */
  readonly prunable?: readonly string[] | undefined;
}

/** How masks come about, before any work is done for them. */
export interface MaskPlan {
  /** Where from: masks in the file, scores, scores and rates, zeros of weights; `none` of dense networks. */
  readonly source: "stored" | "scores" | "rates" | "zeros" | "none";
  readonly keepRatio?: number | undefined;
  /** That no option named the keep ratio, with the reason for it. */
  readonly inferred?: string | undefined;
  /** Why there are none yet, and what is to be given. */
  readonly needs?: string | undefined;
  readonly warnings: readonly string[];
}

export interface RebuiltMasks extends MaskPlan {
  /** 0/1, float32, shaped like their weights; no scope owns them. Empty of dense networks. */
  readonly masks: ReadonlyMap<string, Tensor>;
}

const NEEDS = "the share that was kept, as --keep-ratio 0.1 (1 where nothing is pruned yet)";
const DENSE_EXPORT =
  "the checkpoint that this dense export of HARP was made from: its own masks have one keep ratio for all layers, and are wrong";

function withRatio(source: "scores" | "rates", { keepRatio, why }: Inferred): MaskPlan {
  if (keepRatio === undefined) return { source, needs: `${NEEDS}: ${why}`, warnings: [] };
  return { source, keepRatio, inferred: why, warnings: [] };
}

function given(checkpoint: ForeignCheckpoint, source: "scores" | "rates", keepRatio: number): MaskPlan {
  if (!(keepRatio > 0 && keepRatio <= 1)) {
    throw new UsageError(expected(checkpoint.where, "a keep ratio in (0, 1]", keepRatio));
  }
  const inferred = source === "rates" ? inferHarp(checkpoint) : inferFromZeros(checkpoint);
  const warnings: string[] = [];
  if (inferred.keepRatio !== undefined && inferred.keepRatio !== keepRatio) {
    const kept =
      source === "rates" ? `, and ${(100 * keptShare(checkpoint, keepRatio)).toPrecision(3)} % at ${keepRatio}` : "";
    warnings.push(`the keep ratio may be another one than ${keepRatio}: ${inferred.why}${kept}`);
  }
  return { source, keepRatio, warnings };
}

/** What masks the checkpoint has, and what they need. UsageError for a keep ratio that is none, or that nothing asks for. */
export function planMasks(checkpoint: ForeignCheckpoint, { keepRatio, prunable }: MaskOptions = {}): MaskPlan {
  const { where, scores, rates, masks, state, layout } = checkpoint;
  const source = rates.size > 0 ? "rates" : "scores";
  if (rates.size > 0 && scores.size === 0) return { source: "none", needs: DENSE_EXPORT, warnings: [] };
  if (scores.size > 0 && layout !== "s2ap") {
    if (keepRatio !== undefined) return given(checkpoint, source, keepRatio);
    if (allBinary(scores)) return { source: "stored", inferred: "the scores are 0 and 1", warnings: [] };
    return withRatio(source, source === "rates" ? inferHarp(checkpoint) : inferFromZeros(checkpoint));
  }
  if (keepRatio !== undefined) {
    const why = masks.size > 0 ? "masks in the file" : "no scores in the file, which its keep ratio would choose from";
    throw new UsageError(`${where}: expected no --keep-ratio, got ${keepRatio} and ${why}`);
  }
  if (masks.size > 0) return { source: "stored", warnings: [] };
  const sparsity = sparsityOf(layerZeros(state, prunable ?? weightNames(state)));
  return { source: sparsity < LEAST_SPARSITY ? "none" : "zeros", warnings: [] };
}

/** RST keeps a fixed sub-network as scores of 0 and 1. */
function allBinary(scores: ForeignCheckpoint["scores"]): boolean {
  return scope(() =>
    [...scores.values()].every((score) => {
      const s = load(score);
      return ops.all(ops.eq(ops.mul(s, s), s)).item() && ops.any(s).item();
    }),
  );
}

const load = ({ data, shape, dtype }: RawTensor) => ops.to(fromBytes(data, shape, dtype), "float32");

/** Shares by weight name: the learned ones, or the same for all. */
function ratesOf({ rates, scores, where }: ForeignCheckpoint, keepRatio: number): ReadonlyMap<string, number> {
  if (rates.size === 0) return new Map(Array.from(scores.keys(), (name) => [name, keepRatio]));
  const missing = [...scores.keys()].filter((name) => !rates.has(name));
  if (missing.length > 0) {
    const message = expected(where, "a k_score beside all popup_scores", `none for ${missing.slice(0, 8).join(", ")}`);
    throw new DataError(message, { code: "data/layout" });
  }
  const learned = scope(() =>
    learnedRates(new Map(Array.from(rates, ([name, c]) => [name, tensor(c, [])])), FLOOR * keepRatio),
  );
  return new Map(Array.from(learned, ([name, { rate }]) => [name, rate]));
}

/** The mask of one layer, spread over its weight. */
function maskOf(score: RawTensor, weight: RawTensor, rate: number, isLearned: boolean): Tensor {
  const kind = granularityOf(score.shape, weight.shape);
  const magnitudes = ops.abs(load(score));
  const n = magnitudes.numel;
  const byRate = isLearned ? keptAtRate(n, rate) : keptCount(n, rate);
  const mask = keepLargest(magnitudes, kind === "channels" ? keptChannels(n, rate) : byRate);
  return ops.contiguous(ops.expand(mask, weight.shape));
}

function fromScores(checkpoint: ForeignCheckpoint, keepRatio: number): Map<string, Tensor> {
  const { scores, state, rates } = checkpoint;
  const shares = ratesOf(checkpoint, keepRatio);
  return new Map(
    Array.from(scores, ([name, score]) => {
      const weight = state.get(name) as RawTensor;
      return [name, scope(() => maskOf(score, weight, shares.get(name) as number, rates.size > 0))];
    }),
  );
}

const nonZero = (raw: RawTensor) => scope(() => ops.to(ops.ne(load(raw), 0), "float32"));

/** Masks in a file are shaped like their weights. */
function checkStored({ where, state, masks }: ForeignCheckpoint): void {
  for (const [name, { shape }] of masks) {
    const weight = state.get(name)?.shape;
    if (String(weight) === String(shape) && weight !== undefined) continue;
    const what = `a mask shaped like ${show(name)} [${weight ?? "no such weight"}]`;
    throw new DataError(expected(where, what, `[${shape}]`), { code: "data/layout" });
  }
}

function build(checkpoint: ForeignCheckpoint, plan: MaskPlan, prunable: readonly string[]): Map<string, Tensor> {
  const { state, scores, masks, where } = checkpoint;
  if (plan.needs !== undefined) throw new UsageError(`${where}: expected ${plan.needs}`);
  if (plan.source === "none") return new Map();
  if (plan.source === "zeros") {
    return new Map(
      prunable.flatMap((name) => (state.has(name) ? [[name, nonZero(state.get(name) as RawTensor)]] : [])),
    );
  }
  if (plan.source === "stored") {
    checkStored(checkpoint);
    const stored = masks.size > 0 ? masks : scores;
    const spread = (raw: RawTensor, name: string) =>
      scope(() => ops.contiguous(ops.expand(nonZero(raw), state.get(name)?.shape ?? raw.shape)));
    return new Map(Array.from(stored, ([name, raw]) => [name, spread(raw, name)]));
  }
  return fromScores(checkpoint, plan.keepRatio as number);
}

/** Rebuilds the masks. UsageError where they need something that is not given, usually a keep ratio. */
export function rebuildMasks(checkpoint: ForeignCheckpoint, options: MaskOptions = {}): RebuiltMasks {
  const plan = planMasks(checkpoint, options);
  const prunable = options.prunable ?? weightNames(checkpoint.state);
  const masks = keep(
    scope(() => build(checkpoint, plan, prunable)),
    { forever: true },
  );
  return { ...plan, masks };
}
