/** What became of a grid of recipes, as plain data: `grid.json` of its folder. */
export interface GridData {
  readonly format: 1;
  readonly name: string;
  readonly title: string;
  /** The choice whose cells repeat one another. */
  readonly repeat: string;
  /** What all cells with a pretraining began with; null until it has been measured. */
  readonly dense: DenseData | null;
  /** In the grid's order, those that have not been run included. */
  readonly cells: readonly CellData[];
  /** Between the masks of cells that repeat one another: Hamming distance / 2k, in [0,1]. */
  readonly distances: readonly { readonly a: string; readonly b: string; readonly perKept: number }[];
  /** Versions and machine of a cell, as its run folder has them; null until there is one. */
  readonly made: Readonly<Record<string, string>> | null;
  /** Where searches were given equal passes; else each has the epochs of its recipe. */
  readonly budget?: PassBudget;
  /** Choices among numbers: the number of each label. */
  readonly sweeps?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** What the page is to hold against the paper's claims. */
  readonly claims?: GridClaims;
  /** What the page's reader should know besides. */
  readonly note?: string;
}

/** How stages came to equal passes. */
export interface PassBudget {
  readonly equal: "passes";
  /** Batches of one pass over the training images. */
  readonly batches: number;
  /** Forward and backward passes of the dearest search, and of the dearest finetuning. */
  readonly target: Readonly<Record<StageApart["stage"], number>>;
  /** Stages that were made longer, in batches an epoch, and the passes they then take. */
  readonly stretched: readonly {
    readonly cell: string;
    readonly stage: StageApart["stage"];
    readonly from: number;
    readonly to: number;
    readonly passes: number;
  }[];
  /** Stages whose passes still differ by more than a twentieth. */
  readonly apart: readonly StageApart[];
}

/** The cells whose passes of a stage are fewest and most, and these passes. */
export interface StageApart {
  readonly stage: "search" | "finetune";
  readonly least: { readonly cell: string; readonly passes: number };
  readonly most: { readonly cell: string; readonly passes: number };
}

export interface DenseData {
  /** SHA-256 of the file; names the content, wherever it came from. */
  readonly sha256: string;
  readonly accuracy: AccuracyData;
  /** Not in folders of earlier versions. */
  readonly cost?: readonly CostLine[];
}

/** What one stage or attack took. */
export interface CostLine {
  /** `search`, `finetune`; `pgd-20, before` finetuning, `pgd-20, after`. */
  readonly what: string;
  /** Network passes; a batch counts once whatever its size. */
  readonly forward: number;
  readonly backward: number;
  readonly seconds: number;
  /** Most bytes of memory resident meanwhile; null where it was not measured. */
  readonly peakMemory: number | null;
}

/** One network on test images; a character an image, in their order, `1` for right. */
export interface AccuracyData {
  readonly attack: string;
  readonly eps: string;
  readonly clean: string;
  readonly robust: string;
}

export interface CellData {
  readonly name: string;
  /** Label of each choice. */
  readonly at: Readonly<Record<string, string>>;
  /** Searches in random weights: has no pretraining behind it. */
  readonly scratch: boolean;
  /** Of a small dense network. */
  readonly control?: ControlData;
  readonly status: "done" | "failed" | "missing";
  /** Of a failed cell. */
  readonly reason?: string;
  readonly result?: CellNumbers;
}

/** A dense network of as many parameters as some cells keep. It has no finetuning: `before` and `after` are the same. */
export interface ControlData {
  /** Names of the cells that it is compared with. */
  readonly of: readonly string[];
  readonly parameters: number;
  /** Of those cells. */
  readonly kept: number;
  /** Of its training: all that those cells take together, pretraining included. */
  readonly epochs: number;
}

/** The loss over scores around states of a cell's search. */
export interface CellSharpness {
  readonly settings: {
    readonly images: number;
    readonly split: string;
    readonly attack: string;
    readonly norm: string;
    readonly eps: string;
    readonly objective: string;
    /** Radius of the ball, whatever the search's own. */
    readonly gamma: number;
    readonly lanczosSteps: number;
    readonly dtype: string;
  };
  readonly states: readonly {
    /** Epochs done. */
    readonly epoch: number;
    readonly objectiveLoss: number;
    /** Of the Hessian over scores, and how far at most the nearest eigenvalue is; null where it was not asked for. */
    readonly topEigenvalue: { readonly value: number; readonly bound: number } | null;
    /** Largest loss in the ball less that at the scores; null where it was not asked for. */
    readonly worstRise: number | null;
  }[];
}

/** Two labels of a choice, of which the paper claims that the second does better. */
export interface GridClaims {
  readonly axis: string;
  readonly base: string;
  readonly other: string;
}

export interface CellNumbers {
  /** Measured share of zero weights. */
  readonly sparsity: number;
  /** The masked network before finetuning. */
  readonly before: AccuracyData;
  /** Null where nothing follows the search. */
  readonly after: AccuracyData | null;
  /** Forward and backward passes of each stage. */
  readonly passes: Readonly<Record<string, number>>;
  /** Seconds of each stage. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Of the mask to that of the epoch before (the first: to the start), by search epoch: Hamming distance / 2k. */
  readonly maskDistances: readonly number[];
  /** Share of the kept weights that the perturbation swaps out, in the last search epoch; null without a perturbation. */
  readonly swapFraction: number | null;
  /** Stages and attacks, in the order they ran; not in folders of earlier versions. */
  readonly cost?: readonly CostLine[];
  /** Where the grid asks for it and the search moves scores. */
  readonly sharpness?: CellSharpness;
}
