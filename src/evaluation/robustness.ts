// What an evaluation says of a network: plain data, as a record on disk holds it. Accuracies are shares of all images,
// clean mistakes included, in [0,1].

/** A 95 % Wilson interval. */
export type Interval = readonly [low: number, high: number];

/** What became of one image. */
export interface ImageRecord {
  /** Position in the data set. */
  readonly index: number;
  readonly label: number;
  /** Class predicted for the clean image. */
  readonly clean: number;
  /** Class predicted for the adversarial image; null where none was found. */
  readonly adversarial: number | null;
  /** The attack that broke it, `clean` where it is wrong as it is, `warm-start` where a parent's example did; null: stands. */
  readonly brokenBy: string | null;
  /** Which search of that attack: `rank 3`, `restart 2`, `rank 3 restart 2`; empty where there is one only. */
  readonly run: string;
  /** Iteration or query at which it broke, 0 for the start; null where it did not, or the attack does not tell. */
  readonly step: number | null;
  /** Length of the change in the threat's norm; null where it did not break or is wrong as it is. */
  readonly norm: number | null;
}

/** What one attack of the list left. */
export interface AttackOutcome {
  readonly attack: string;
  /** What it was built with; null where that is not known. */
  readonly options?: unknown;
  /** Images that it was tried on, and that it broke. */
  readonly tried: number;
  readonly broken: number;
  readonly robustAccuracy: number;
  readonly interval: Interval;
  /** Set where the evaluation ended before it. */
  readonly skipped?: true;
  /** What this attack alone leaves, where every attack was tried on every image (`individual`). */
  readonly alone?: number | undefined;
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
}

/** All that may be raised; docs/evaluation.md says when, and what to do. */
export const CHECK_CODES = [
  "randomised",
  "probabilities",
  "batch-dependence",
  "robust-at-absurd-eps",
  "few-classes",
  "mask-not-applied",
  "zero-gradient",
  "left-the-ball",
  "square-too-good",
  "minimum-norm-left-out",
] as const;

/** Something a reader should know before believing the number. */
export interface Check {
  /** Stable name. */
  readonly code: (typeof CHECK_CODES)[number];
  readonly severity: "warning" | "note";
  /** One sentence for people. */
  readonly message: string;
  readonly values: Readonly<Record<string, number | string | readonly number[]>>;
}

/** A list of attacks under one threat, each on the images that those before it left standing. */
export interface Robustness {
  /** Name of the list: `aa-standard`, ... or `custom`. */
  readonly preset: string;
  readonly norm: string;
  /** Radius exactly as written. */
  readonly eps: string;
  readonly seed: number;
  /** The form of the network that searched: `exact`, or `folded bfloat16`; what counts is the network as it is. */
  readonly search?: string | undefined;
  /** Whether images left a search once broken. */
  readonly leave?: boolean | undefined;
  readonly examples: number;
  readonly cleanAccuracy: number;
  readonly cleanInterval: Interval;
  readonly robustAccuracy: number;
  readonly interval: Interval;
  /** Robust accuracy after each attack, by name in order; `clean` first. */
  readonly after: Readonly<Record<string, number>>;
  readonly attacks: readonly AttackOutcome[];
  readonly images: readonly ImageRecord[];
  readonly checks: readonly Check[];
  /** Set where adversarial examples of another network were tried first: images that no attack had to break are spared. */
  readonly warmStart?: { readonly source: string; readonly tried: number; readonly spared: number } | undefined;
  /** Set where a question was asked, which may have ended the evaluation early: what was asked, and what is known. */
  readonly verdict?:
    | {
        readonly question: string;
        readonly answer: boolean;
        readonly bound: number;
        /** The evaluation ended before all attacks had run: the accuracy is the bound so far. */
        readonly early?: true;
      }
    | undefined;
  readonly passes: { readonly forward: number; readonly backward: number };
  readonly seconds: number;
}
