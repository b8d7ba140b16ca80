import { join } from "node:path";
import type { Splits } from "../../data/index.js";
import {
  type Crafter,
  coordinates,
  type Direction,
  fixedImages,
  type LandscapeRecord,
  type LandscapeSettings,
  landscape,
  readLandscape,
  type ScorePoint,
  scoreLoss,
  stateHash,
  timeLeft,
  writeLandscape,
} from "../../evaluation/index.js";
import { pick } from "../../nn/index.js";
import { buildData } from "../../recipe/build.js";
import { chosenEpochs, openSearch, type SearchStates } from "../../recipe/search-states.js";
import { scope } from "../../torch/index.js";
import { expected, S2apError, UsageError } from "../../util/index.js";
import type { Job, JobContext } from "../jobs.js";
import { thinned } from "./run.js";
import { chosenCrafter } from "./sharpness.js";

/** Coordinates of an axis. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

export interface LandscapeJobOptions {
  /** A run folder. */
  readonly run: string;
  /** `start`, `end` or a number. */
  readonly epoch: string;
  readonly x: Direction;
  readonly y?: Direction | undefined;
  readonly points?: number | undefined;
  readonly xRange?: Range | undefined;
  readonly yRange?: Range | undefined;
  /** Run folder of another search of the same weights. */
  readonly other?: string | undefined;
  readonly split: "selection" | "train" | "test";
  readonly images: number;
  readonly attack?: string | undefined;
  readonly loss: "robust" | "crossEntropy";
  readonly dtype: "float32" | "float64";
  readonly seed: number;
  readonly batchSize?: number | undefined;
  readonly lanczosSteps: number;
  /** File of the record; default `landscape.json` in the run folder. */
  readonly out?: string | undefined;
}

export interface LandscapeJobResult {
  readonly status: "done" | "stopped";
  /** Path of the record. */
  readonly out: string;
  readonly record?: LandscapeRecord;
}

/** Towards other scores, those at 1 are of interest; other directions are as long as the scores. */
const leadsSomewhere = (direction: Direction) => direction === "start" || direction === "other";
const usualRange = (direction: Direction): Range =>
  leadsSomewhere(direction) ? { low: -0.25, high: 1.25 } : { low: -0.1, high: 0.1 };
const POINTS = { one: 41, two: 21 } as const;

function axesOf({ x, y, points, xRange, yRange }: LandscapeJobOptions): LandscapeSettings["axes"] {
  const many = points ?? (y === undefined ? POINTS.one : POINTS.two);
  const axis = (direction: Direction, range = usualRange(direction)) => {
    return {
      direction,
      coordinates: coordinates(range.low, range.high, many, leadsSomewhere(direction) ? [0, 1] : [0]),
    };
  };
  return [axis(x, xRange), ...(y === undefined ? [] : [axis(y, yRange)])];
}

/** The end of another search, which must prune the same weights for a plane through both to mean anything. */
function otherScores(folder: string, point: ScorePoint, { dtype }: LandscapeJobOptions) {
  using search = openSearch(folder);
  const end = search.states(search.kept, dtype);
  const found = end.open(search.kept.at(-1) as number);
  const { prunable } = point.model;
  const bare = (of: ScorePoint) =>
    stateHash({ ...of, params: pick(of.params, prunable), buffers: new Map(), state: { scores: new Map() } });
  if (String(found.model.prunable) === String(prunable) && bare(found) === bare(point)) {
    return { scores: found.state.scores, origin: { run: end.run, state: stateHash(found) } };
  }
  throw new UsageError(expected("--other", "a search of the same weights as the run's", folder), {
    code: "usage/other-weights",
  });
}

interface Opened {
  readonly search: SearchStates;
  readonly splits: Splits;
  readonly crafter: Crafter;
  readonly options: LandscapeJobOptions;
  readonly out: string;
}

function draw({ search, splits, crafter, options, out }: Opened, { shouldStop, report }: JobContext): LandscapeRecord {
  const { epoch: asked, split: splitName, images, dtype, seed, batchSize, loss, lanczosSteps } = options;
  const split = splits[splitName];
  const [epoch = 0, ...more] = chosenEpochs("--epoch", asked, search.kept);
  if (more.length > 0) throw new UsageError(expected("--epoch", "one epoch", asked));
  const states = search.states([epoch], dtype);
  const poll = () => {
    if (shouldStop()) throw new S2apError("landscape: stopped as asked", { code: "stopped" });
  };
  const point = states.open(epoch);
  const other = options.other === undefined ? undefined : otherScores(options.other, point, options);
  const fixed = fixedImages(point, split, crafter, { images, seed, dtype, batchSize, poll });
  const { name, source } = split.dataset;
  const settings: LandscapeSettings = {
    ...{ epoch, state: stateHash(point), other: other?.origin ?? null, images: fixed.y.numel, split: splitName, seed },
    ...{ attack: crafter.name, norm: crafter.threat.norm, eps: crafter.threat.epsText },
    ...{ objective: search.loss.name, loss, dtype, lanczosSteps, data: { name, sha256: source.sha256 } },
    axes: axesOf(options),
  };
  const found = readLandscape(out);
  const tell = thinned(report);
  const left = timeLeft();
  return landscape({
    run: states.run,
    at: scoreLoss(point, fixed, { robust: search.loss, loss, batchSize, poll }),
    settings,
    start: states.open(search.kept[0] as number).state.scores,
    other: other?.scores,
    ...(found && { found: { path: out, record: found } }),
    onRecord: (record) => writeLandscape(out, record),
    onProgress: (done, of) =>
      tell({ kind: "measuring", run: "", what: "landscape", done, of, secondsLeft: left(done, of) }),
  });
}

/** Draws a landscape, or goes on with it. */
export const job: Job<LandscapeJobOptions, LandscapeJobResult> = async (options, context) => {
  if ([options.x, options.y].includes("other") && options.other === undefined) {
    throw new UsageError(expected("landscape", "--other RUN with the direction other", undefined));
  }
  if (options.x === options.y && options.x !== "random") {
    throw new UsageError(
      expected("landscape", "two directions for --x and --y (only random may be named twice)", options.y),
    );
  }
  using search = openSearch(options.run);
  const crafter = chosenCrafter(search, options.attack);
  const splits = await buildData(search.recipe, (text) => context.report({ kind: "message", text }));
  const out = options.out ?? join(options.run, "landscape.json");
  try {
    const record = scope(() => draw({ search, splits, crafter, options, out }, context));
    return { status: "done", out, record };
  } catch (error) {
    if (error instanceof S2apError && error.code === "stopped") return { status: "stopped", out };
    throw error;
  }
};
