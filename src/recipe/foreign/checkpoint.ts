// What a checkpoint of another program is, once its layout is known: tensors under the network's own names, and what else it holds.
import type { PtValue, RawTensor } from "../../nn/index.js";

/** Layouts that are told apart; docs/checkpoints.md says by what. `s2ap` are our own files. */
export const layoutNames = [
  "hydra",
  "harp",
  "rst",
  "flyingbird",
  "mad",
  "awp",
  "benchmark",
  "twinrep",
  "plain",
  "s2ap",
] as const;
export type LayoutName = (typeof layoutNames)[number];

/** A tensor or another value that was left out. */
export interface Dropped {
  readonly name: string;
  readonly why: string;
}

export interface ForeignCheckpoint {
  /** Opens error texts; usually the path. */
  readonly where: string;
  readonly layout: LayoutName;
  /** Why it was taken for that, as a half sentence: `popup_scores and k_score beside weights`. */
  readonly because: string;
  readonly container: "safetensors" | "zip" | "legacy";
  /** What was taken off the names, such as `module.`; with `basic_model.` the network stood in a wrapper that normalises. */
  readonly prefix: string;
  /** The network's tensors under its own names, in the file's order: prefixes stripped; scores, rates and masks taken out. */
  readonly state: ReadonlyMap<string, RawTensor>;
  /** Importance scores by weight name (`conv1.weight`), of the weight's shape or one for each group; empty where there are none. */
  readonly scores: ReadonlyMap<string, RawTensor>;
  /** HARP's rate parameters c_l (`k_score`) by weight name. */
  readonly rates: ReadonlyMap<string, number>;
  /** Masks that the file has, by weight name, as it has them. */
  readonly masks: ReadonlyMap<string, RawTensor>;
  /** What the file says of itself: epoch, arch, accuracies. Text is the file's: it is not to be trusted. */
  readonly facts: Readonly<Record<string, string | number>>;
  readonly dropped: readonly Dropped[];
  readonly warnings: readonly string[];
}

/** A file as its reader gives it. */
export interface OpenedFile {
  readonly where: string;
  readonly container: ForeignCheckpoint["container"];
  readonly value: PtValue;
  /** Of safetensors. */
  readonly metadata?: Readonly<Record<string, string>>;
}
