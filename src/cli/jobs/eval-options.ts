import type { Comparison, Distances, Robustness, Verification } from "../../evaluation/index.js";
import type { MeasuredItem } from "../../recipe/measure.js";

export interface EvalOptions {
  /** A run folder, or a safetensors file. */
  readonly model?: string | undefined;
  /** A safetensors file, in place of `model`. */
  readonly weights?: string | undefined;
  /** Description of the network in JSON, for safetensors that do not say what they are. */
  readonly arch?: string | undefined;
  /** Safetensors with `images` and `labels`, in place of a data set. */
  readonly images?: string | undefined;
  /** Names, or YAML with options; default: those of the run's recipe, else `clean`. */
  readonly attacks: readonly string[];
  /** A list of attacks by name. */
  readonly preset?: string | undefined;
  readonly norm?: string | undefined;
  readonly eps?: string | undefined;
  /** Share of zeros among the prunable weights that is claimed, in [0,1]; default: what the run's recipe says. */
  readonly sparsity?: number | undefined;
  /** Steps of each attack, queries for Square. */
  readonly steps?: number | undefined;
  /** A name, or YAML with options; default: the run's, else cifar10. */
  readonly data?: string | undefined;
  readonly examples?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly seed?: number | undefined;
  /** Folder of the record. */
  readonly out?: string | undefined;
  /** Do only the blocks of this shard; the parent process merges. */
  readonly shard?: { readonly index: number; readonly of: number } | undefined;
  /** Answer with the number of blocks, at once, where there are several that processes could share. */
  readonly divisible?: boolean | undefined;
  readonly until?: string | undefined;
  /** Folder of another record, whose adversarial examples are tried first. */
  readonly warmStart?: string | undefined;
  readonly individual?: boolean | undefined;
  readonly faithful?: boolean | undefined;
  /** Arithmetic of the search. */
  readonly precision?: "float32" | "bfloat16" | undefined;
  /** Folder of a record to check. */
  readonly verify?: string | undefined;
  /** Folders of two records. */
  readonly compare?: readonly string[] | undefined;
  /** Folders of records with distances, to be drawn in one picture. */
  readonly curves?: readonly string[] | undefined;
  /** `file.safetensors:key`, where a single run begins. */
  readonly start?: string | undefined;
  readonly dtype?: "float32" | "float64" | undefined;
  readonly loss?: "ce" | "dlr" | "dlr-targeted" | undefined;
  readonly targetRank?: number | undefined;
}

/** Where numbers come from. */
export interface EvalOrigin {
  readonly model: string;
  /** SHA-256 of the safetensors file. */
  readonly weights: string;
  readonly data: { readonly name: string; readonly sha256: string };
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** Names of what lies in a record's folder besides what every evaluation writes. */
export interface EvalFiles {
  readonly card?: string;
  readonly curve?: { readonly svg: string; readonly png: string } | undefined;
  readonly claim?: string;
  readonly robustbench?: string;
}

/**
 * Accuracies of attacks: of one by itself, of several by themselves, or of a list with what `Robustness` has besides. Of what
 * was stopped they are upper bounds, and of the images whose clean pass is done.
 */
export interface EvalResult extends EvalOrigin, Partial<Omit<Robustness, "images" | "seed">> {
  readonly kind: "evaluation";
  readonly status: "done" | "stopped";
  /** What each attack left, as a row. */
  readonly results: readonly MeasuredItem[];
  /** Folder of the record. */
  readonly record?: string;
  /** Distances: of `--preset curve`, or of a preset's minimum-norm part on images of its own. */
  readonly minimumNorm?: Distances;
  /** The text of a claim to the Adversarial Pruning Benchmark. */
  readonly claim?: string;
  readonly files?: EvalFiles;
}

/** Nothing was done: there is work for several processes. */
export interface Divisible {
  readonly kind: "divisible";
  /** Of 128 images. */
  readonly blocks: number;
}

/** What a single run left. */
export interface TraceResult extends EvalOrigin {
  readonly kind: "trace";
  readonly status: "done";
  readonly attack: string;
  readonly steps: number;
  readonly examples: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly after: Readonly<Record<string, number>>;
  readonly seconds: number;
  /** Shapes by name in `file`. */
  readonly file: string;
  readonly tensors: Readonly<Record<string, readonly number[]>>;
}

export interface VerifyResult extends Verification {
  readonly kind: "verified";
  readonly record: string;
  readonly examples: number;
  readonly cleanAccuracy: number;
  /** Robust accuracy as the record has it. */
  readonly recorded: number;
}

export interface CompareResult extends Comparison {
  readonly kind: "comparison";
  readonly records: readonly [a: string, b: string];
}

/** One network of a picture of security curves. */
export interface CurveRow extends Omit<Distances, "distances" | "indices" | "options" | "curve" | "passes"> {
  readonly name: string;
  readonly record: string;
}

export interface CurvesResult {
  readonly kind: "curves";
  readonly norm: string;
  readonly curves: readonly CurveRow[];
  readonly files: { readonly svg: string; readonly png: string };
}

export type EvalAnswer = EvalResult | TraceResult | VerifyResult | CompareResult | CurvesResult;
