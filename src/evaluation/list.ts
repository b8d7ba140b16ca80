import type { Attack, Threat, Victim } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import type { Model } from "../models/index.js";
import type { Tensor } from "../torch/index.js";
import { DataError, expected, UsageError } from "../util/index.js";
import { WARM_START } from "./lines.js";
import type { Check, Interval, Robustness } from "./robustness.js";
import type { Work } from "./work.js";

/** Images in a unit of work: a fixed run of consecutive positions, whatever the batch, the process or the resume. */
export const BLOCK = 128;

/** An attack under the name that a result gives it; no two of a list share one. */
export interface NamedAttack {
  readonly name: string;
  readonly attack: Attack;
  /** What it was built with, for the record. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
}

/** Adversarial examples of another network, to be tried before any attack. */
export interface WarmStart {
  /** [M,C,H,W] in [0,1]. */
  readonly points: Tensor;
  /** Position in the data set of each. */
  readonly indices: Int32Array;
  /** Where they come from, for people. */
  readonly source: string;
  /** SHA-256 of where they come from. */
  readonly sha256: string;
  /** SHA-256 of the data set that their positions are in, where it is known: points of other images are refused. */
  readonly data?: string | undefined;
}

/** Where an evaluation is written, to be resumed and verified. */
export interface RecordOptions {
  readonly folder: string;
  /** Least time between two snapshots of a search in progress, in seconds; default 30. */
  readonly snapshotSeconds?: number | undefined;
}

/** What is known after a unit of work, and now and then inside one. */
export interface ListProgress {
  /** Attack at work, `clean` and `warm-start` included. */
  readonly attack: string;
  /** Restart or target at work; empty where there is one search only. */
  readonly run: string;
  /** Units of work done, and all there are. */
  readonly done: number;
  readonly of: number;
  /** The same in passes, by which the time to go is told; the unit at work counts too, a long search tells once a second. */
  readonly work: Work;
  /** Images not broken so far, and all of this evaluation. */
  readonly standing: number;
  readonly examples: number;
  /** Images of this process's own blocks that are known to be wrong as they are or broken, whoever found it. */
  readonly ownBroken: number;
  /** Upper bound of robust accuracy, and its 95 % Wilson interval. It never rises. */
  readonly bound: number;
  readonly interval: Interval;
  /** Spent so far, resumed work included. */
  readonly seconds: number;
}

export interface AttackListOptions {
  readonly threat: Threat;
  readonly attacks: readonly NamedAttack[];
  /** Name of the list in the result; default `custom`. */
  readonly preset?: string | undefined;
  /** Of all random numbers; default 0. */
  readonly seed?: number | undefined;
  /** Images from the front of the split; default all. */
  readonly examples?: number | undefined;
  /** Positions in the split instead, ascending. */
  readonly indices?: readonly number[] | Int32Array | undefined;
  /** Images a pass, at most 128; default 128. */
  readonly batchSize?: number | undefined;
  /** Images leave a search once broken (default); otherwise all go on to its end, as the reference's do. */
  readonly leave?: boolean | undefined;
  /** A faster form of the network that searches; the untouched one decides what is broken. */
  readonly victim?: Victim | undefined;
  /** What that form is, for the record; default `exact`. */
  readonly search?: string | undefined;
  /** Passes of little work run on fewer threads, which is faster (default); otherwise all run on all. */
  readonly pace?: boolean | undefined;
  readonly record?: RecordOptions | undefined;
  /** Take only the blocks whose number is `index` modulo `of`; the record's folder is shared. */
  readonly shard?: { readonly index: number; readonly of: number } | undefined;
  readonly warmStart?: WarmStart | undefined;
  /** Stop once this is decided: `robust < 0.40`, `robust > 40 %`. */
  readonly until?: string | undefined;
  /** Every attack on every image that is right as it is, not only on those still standing; default false. */
  readonly individual?: boolean | undefined;
  /** Share of zero weights that is claimed of the network, in [0,1]; measured and compared. */
  readonly sparsity?: number | undefined;
  /** Checks that cost passes: repeated passes, other batches, an absurd radius; default true. */
  readonly checks?: boolean | undefined;
  /** Asked before every step; may throw to stop, which saves the search in progress. */
  readonly shouldStop?: (() => void) | undefined;
  readonly onProgress?: ((progress: ListProgress) => void) | undefined;
  /** Told what is known when something, such as `shouldStop`, ends the evaluation early: upper bounds. */
  readonly onInterrupted?: ((known: Robustness) => void) | undefined;
  /** Told of whatever was put right, such as a record cut back after a crash. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Told of each check as it is raised. */
  readonly onCheck?: ((check: Check) => void) | undefined;
}

/** The shard of one process that does it all. */
export const ALL = { index: 0, of: 1 };

/** UsageError where the options make no evaluation. */
export function checkOptions({ attacks, batchSize = BLOCK, shard = ALL }: AttackListOptions): void {
  const refuse = (what: string, got: unknown) => {
    throw new UsageError(expected("evaluation", what, got), { code: "usage/option" });
  };
  const names = attacks.map(({ name }) => name);
  if (names.length === 0) refuse("at least one attack", names);
  if (new Set([...names, "clean", WARM_START]).size < names.length + 2) refuse("attacks of different names", names);
  if (!(Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= BLOCK)) {
    refuse(`batchSize to be a whole number in [1, ${BLOCK}]`, batchSize);
  }
  const { index, of } = shard;
  if (!(Number.isInteger(index) && Number.isInteger(of) && index >= 0 && index < of)) {
    refuse("shard { index, of } with 0 <= index < of", shard);
  }
}

/** Points are tried by position: those of other images would be tried on strangers. */
export function checkWarmStart({ points, data, source }: WarmStart, model: Model, split: Split): void {
  const shape = points.shape.slice(1);
  if (String(shape) !== String(model.inputShape)) {
    const what = `images of shape [${model.inputShape}], as the network takes them, got [${shape}]`;
    throw new DataError(`warm start ${source}: expected ${what}; choose a record of this data set`, {
      code: "data/warm-start",
    });
  }
  const { name, source: own } = split.dataset;
  if (data === undefined || data === own.sha256) return;
  const what = `points of ${name} (SHA-256 ${own.sha256.slice(0, 12)}...), got those of data with ${data.slice(0, 12)}...`;
  throw new DataError(`warm start ${source}: expected ${what}; evaluate both on one --data or one --images`, {
    code: "data/warm-start",
  });
}
