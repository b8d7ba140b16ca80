// What the server answers, as the page reads it.

import type { Prediction } from "../report/data.js";
import type { ParsedLandscape } from "../report/landscape-schema.js";
import type { CardShown, ImageShown } from "./card-schema.js";
import type { PictureKind } from "./pictures.js";
import type { Progress } from "./progress.js";
import type { RunLog } from "./run-log.js";

/** `killed`: the manifest says `running`, and nobody holds the lock; `unknown`: no manifest that could be read. */
export type RunState = "running" | "stopped" | "failed" | "done" | "killed" | "unknown";

/** The numbers that a list shows; null where a run has none (yet). Shares are in [0, 1]. */
export interface KeyNumbers {
  readonly sparsity: number | null;
  readonly cleanAccuracy: number | null;
  readonly robustAccuracy: number | null;
  readonly interval: readonly [low: number, high: number] | null;
  /** The attack of `robustAccuracy`; null where the number is of held-out images while training. */
  readonly attack: string | null;
  /** The ball that was searched: its norm, and its radius exactly as written; null without an attack. */
  readonly norm: string | null;
  readonly eps: string | null;
  readonly examples: number | null;
  /** SHA-256 of the data set; null where the run does not say. */
  readonly dataHash: string | null;
  readonly method: string | null;
  readonly gradient: string | null;
  readonly model: string | null;
}

/** A row of `GET /api/runs`. */
export interface RunSummary extends KeyNumbers {
  readonly id: string;
  readonly name: string;
  /** Path below the given folders, for people. */
  readonly path: string;
  readonly state: RunState;
  readonly seed: number | null;
  readonly createdAt: string | null;
  readonly lastAt: string | null;
  readonly progress: Progress;
  readonly warnings: number;
}

export interface FileEntry {
  readonly name: string;
  readonly bytes: number;
}

/** `GET /api/runs/:id`: all that the page of a run needs; events behind `cursor` follow as a stream. */
export interface RunDetail {
  readonly summary: RunSummary;
  readonly log: RunLog;
  readonly cursor: string;
  readonly recipe: unknown;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: unknown;
  readonly files: readonly FileEntry[];
  /** What could not be read. */
  readonly problems: readonly string[];
}

/** A message of the list's stream. The first one holds every run. */
export interface RunsChange {
  readonly first: boolean;
  readonly changed: readonly RunSummary[];
  /** Ids of runs that are no longer there. */
  readonly gone: readonly string[];
}

/** `GET /api/masks/ID,ID,...`: shares of the weights kept by the first run that each other one left out; null of none. */
export interface MaskDifferences {
  /** Those of the first run's masks. */
  readonly layers: readonly string[];
  /** Runs whose masks have the same layers. */
  readonly runs: readonly {
    readonly id: string;
    readonly total: number | null;
    /** In the order of `layers`. */
    readonly layers: readonly (number | null)[];
  }[];
}

/** What `s2ap landscape` computed; points that are not there yet are null. */
export interface LandscapeShown extends Omit<ParsedLandscape, "data"> {
  /** Name in the run folder. */
  readonly file: string;
  /** Of the images; null where the record does not say. */
  readonly dataHash: string | null;
}

/** One of `GET /api/landscapes/ID,ID,...`. */
export interface LandscapesOfRun {
  /** Of the run. */
  readonly id: string;
  readonly landscapes: readonly LandscapeShown[];
  /** Which files could not be read, and why. */
  readonly problems: readonly string[];
}

/** A row of `GET /api/cards`: the result of an evaluation that kept a record. */
export interface CardSummary {
  readonly id: string;
  readonly path: string;
  readonly model: string;
  readonly data: string;
  readonly preset: string;
  readonly norm: string;
  readonly eps: string;
  readonly examples: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly interval: readonly [low: number, high: number];
}

/** A row of `GET /api/curves`: a record's distances by a minimum-norm attack. */
export interface CurveSummary {
  readonly id: string;
  readonly path: string;
  readonly model: string | null;
  readonly attack: string;
  readonly norm: string;
  /** Radius of the claim: as written, and its value in pixel scale. */
  readonly eps: string;
  readonly radius: number;
  /** That are to be measured, and that are. */
  readonly images: number;
  readonly examples: number;
  readonly cleanAccuracy: number;
  /** At `eps`. */
  readonly robustAccuracy: number;
  readonly interval: readonly [low: number, high: number];
  readonly medianDistance: number | null;
  /** From this radius on, up to the next point's, this share of the images stands. */
  readonly points: readonly (readonly [radius: number, share: number])[];
}

/** `GET /api/cards/:id`. */
export interface CardDetail {
  readonly summary: CardSummary;
  readonly card: CardShown;
  readonly images: readonly ImageShown[];
  /** By label; empty where nobody says. */
  readonly classNames: readonly string[];
  /** Positions of the images that there are pictures of to ask for; a difference needs both. */
  readonly pictures: { readonly clean: readonly number[]; readonly adversarial: readonly number[] };
}

/** `GET /api/runs/:id/images`: a few test images, attacked when the run ended, and what networks saw in them. */
export interface RunImages {
  /** Network that they were attacked against. */
  readonly against: string | null;
  readonly eps: string | null;
  readonly examples: readonly {
    readonly label: string;
    readonly predictions: readonly Prediction[];
    readonly pictures: Readonly<Record<PictureKind, boolean>>;
  }[];
}

/** Every answer that is none. */
export interface ApiError {
  readonly error: { readonly code: string; readonly message: string };
}
