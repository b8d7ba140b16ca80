// Whether a stage fits: asked before it begins, since a process that runs out of memory is killed without a word.
import { readFileSync } from "node:fs";
import { freemem, totalmem } from "node:os";
import { meanCrossEntropy, type RobustLoss } from "../losses/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { channelsLast, type Params } from "../nn/index.js";
import type { Stage } from "../run/index.js";
import { liveBytes, ops, type Precision, peakBytes } from "../torch/index.js";
import { UsageError } from "../util/index.js";
import { type Distillation, distilled } from "./distill.js";
import { asLeaves } from "./leaves.js";
import { assertLabels, type WeightStageOptions } from "./options.js";

export interface MemoryNeeds {
  readonly batchSize: number;
  /** Default float32. */
  readonly precision?: Precision | undefined;
  /** What runs forward; default: one pass and its cross-entropy. TRADES runs two. */
  readonly loss?: Pick<RobustLoss, "evaluate"> | undefined;
  /** Tensors of the size of all parameters that are held besides the model: gradients, momentum, ...; default 4. */
  readonly copies?: number | undefined;
}

export interface MemoryEstimate {
  /** What the work takes beyond what is in use now. */
  readonly bytes: number;
  /** The part of it that grows with the batch, for one image. */
  readonly perImage: number;
  readonly batchSize: number;
}

/** Gradients, attacks and the allocator's waste, on top of what the graph of a forward pass holds: measured, 1.05 to 2. */
const ON_TOP = 1.5;
/** Activations of a bfloat16 pass against those of a float32 one: batch norm keeps some statistics in float32. */
const BFLOAT16 = 0.6;
/** Two sizes, so that what does not depend on the batch cancels out; batch norm needs two images. */
const [FEW, MORE] = [2, 4] as const;

const bytesOf = (params: Params) => Array.from(params.values(), toBytes).reduce((a, b) => a + b, 0);
const toBytes = ({ numel, dtype }: { readonly numel: number; readonly dtype: string }) =>
  numel * (dtype === "float64" ? 8 : 4);

/** Bytes that a training pass on `size` images holds at its peak. The model's own state is not touched. */
function forwardBytes(model: Model, size: number, loss: MemoryNeeds["loss"]): number {
  return peakBytes(() => {
    const state = { params: asLeaves(model.params, new Set(model.params.keys())), buffers: model.buffers };
    const dtype = [...model.params.values()][0]?.dtype;
    const x = channelsLast(ops.zeros([size, ...model.inputShape], { dtype }));
    const y = ops.zeros([size], { dtype: "int64" });
    const forward = bindNetwork(model, state).forward("batch");
    // Another tensor than x, as in training: a loss may use what it knows of x.
    if (loss) loss.evaluate(forward, { x, y, xAdv: ops.detach(x) });
    else meanCrossEntropy(forward(x), y);
  });
}

/** What training on batches of this size takes, from two small forward passes; good to a factor of two. */
export function estimateMemory(model: Model, needs: MemoryNeeds): MemoryEstimate {
  const { batchSize, precision = "float32", loss, copies = 4 } = needs;
  const slope = (forwardBytes(model, MORE, loss) - forwardBytes(model, FEW, loss)) / (MORE - FEW);
  const perImage = ON_TOP * slope * (precision === "bfloat16" ? BFLOAT16 : 1);
  return { bytes: perImage * batchSize + copies * bytesOf(model.params), perImage, batchSize };
}

/** Page cache that counts as used in a container's limit but is given back when it is needed. */
function pageCache(): number {
  for (const [path, field] of [
    ["/sys/fs/cgroup/memory.stat", "file"],
    ["/sys/fs/cgroup/memory/memory.stat", "total_cache"],
  ] as const) {
    try {
      return Number(new RegExp(`^${field} (\\d+)$`, "m").exec(readFileSync(path, "utf8"))?.[1] ?? 0);
    } catch {
      // Another kind of container, or none.
    }
  }
  return 0;
}

/** What node, its code and libtorch hold themselves. */
const OWN = 512 * 2 ** 20;

/**
 * Bytes that this process may still take: of the machine or of the container's limit, and what it took before and uses
 * no longer (the addon does not return memory to the system).
 */
export function availableMemory(): number {
  const limit = process.constrainedMemory();
  const limited = limit > 0 && limit < totalmem();
  const free = limited ? Math.min(freemem(), process.availableMemory() + pageCache()) : freemem();
  return free + Math.max(0, process.memoryUsage.rss() - liveBytes() - OWN);
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];

/** `3.1 GB`. */
function readable(bytes: number): string {
  const unit = Math.min(Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)), UNITS.length - 1);
  return `${(bytes / 1000 ** unit).toFixed(unit < 3 ? 0 : 1)} ${UNITS[unit]}`;
}

/** UsageError when the estimate does not fit, with what is needed, what there is, and what to lower. */
export function checkMemory(where: string, estimate: MemoryEstimate, available = availableMemory()): void {
  const { bytes, perImage, batchSize } = estimate;
  if (bytes <= available) return;
  const fitting = Math.floor((available - (bytes - perImage * batchSize)) / perImage);
  const cure = fitting >= 1 ? `lower batchSize (${fitting} fits) or width` : "lower width";
  throw new UsageError(
    `${where}: expected ${readable(bytes)} of free memory for batchSize ${batchSize}, got ${readable(available)}; ` +
      `${cure}, or take precision "bfloat16"`,
    { code: "usage/memory" },
  );
}

/** Parameter-sized sets at work in a step, and those that a checkpoint copies on its way to the disk. */
interface Copies {
  readonly step: number;
  readonly checkpoint: number;
}

/** Trained, masked or decayed, gradients, momentum and the best epoch's. */
const WEIGHTS: Copies = { step: 5, checkpoint: 3 };
/** Scores, parameters, masks, momentum and the best epoch's two; masks, weights, gradients and shift at s and s + z. */
const SCORES: Copies = { step: 13, checkpoint: 6 };
const COPIES: Readonly<Record<Stage, Copies>> = { pretrain: WEIGHTS, search: SCORES, finetune: WEIGHTS };

/** Gradients at w, v, w + v and its masked copy. */
const PERTURBED = 4;

/** Options that pretraining and finetuning may have. */
type AnyStageOptions = WeightStageOptions & { readonly distill?: Distillation | undefined };

/** The loss with its teacher, whose logits are part of what runs. */
function wholeLoss({ loss, distill }: AnyStageOptions): Pick<RobustLoss, "evaluate"> {
  if (distill === undefined) return loss;
  return { evaluate: (forward, batch) => distilled(loss, distill, batch).evaluate(forward, batch) };
}

function copiesOf(stage: Stage, { weightGradient, ema }: AnyStageOptions, saves: boolean): number {
  const { step, checkpoint } = COPIES[stage];
  const perturbed = weightGradient === undefined || weightGradient.name === "plain" ? 0 : PERTURBED;
  const averages = ema === undefined ? 0 : 1;
  return step + perturbed + averages + (saves ? checkpoint + averages : 0);
}

/** The checks that a stage makes before it begins: of its labels and its memory; `saves`: it writes checkpoints, default where it has a run. */
export function assertFits(
  stage: Stage,
  model: Model,
  options: AnyStageOptions,
  { saves = options.run !== undefined }: { readonly saves?: boolean } = {},
): void {
  assertLabels(stage, options);
  const { train, precision } = options;
  const [loss, copies] = [wholeLoss(options), copiesOf(stage, options, saves)];
  const batchSize = Math.min(train.batchSize, train.length);
  checkMemory(stage, estimateMemory(model, { batchSize, precision, loss, copies }), options.availableMemory);
}
