// Attacks as loops over data: a state whose tensors all have the images as their first dimension, and a function from
// one state to the next. So images can leave as soon as they are broken, a search can be stopped and go on from a file,
// and whoever wants to know can look at every step, none of which an attack has to care for.
import { noGrad, ops, scope, type Tensor, tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import type { Victim } from "./attack.js";
import type { Threat } from "./threat.js";
import { breaks } from "./verify.js";

/** The images of a search; row i of every tensor is image i. */
export interface SearchImages {
  /** Clean images [N,C,H,W] in [0,1]. */
  readonly x: Tensor;
  /** Labels, int64 [N]. */
  readonly y: Tensor;
  /** Classes to go to, int64 [N]; only targeted searches have them. */
  readonly target?: Tensor | undefined;
  /** Where to begin [N,C,H,W], instead of where the search begins by itself. */
  readonly start?: Tensor | undefined;
  /** Positions in the set, which key each image's random numbers. */
  readonly indices: Int32Array;
}

/** What a search works with; the rows are those of its state. */
export interface SearchContext extends SearchImages {
  /** The network that is searched: perhaps a faster form of the one that decides what is broken. */
  readonly victim: Victim;
  readonly rng: Rng;
  /** Whether broken images leave, so that those which are left are to be searched on; set by `runSearch`. Default true. */
  readonly leave?: boolean;
}

/** Where a search stands: tensors by name, all with the images as first dimension. */
export interface SearchState {
  /** The point to report for each image [N,C,H,W]: adversarial where one was found. */
  readonly found: Tensor;
  /** Whether this very step (or the start) put a newly found misclassified point inside the ball into `found`, bool [N]. */
  readonly hit: Tensor;
  readonly [name: string]: Tensor;
}

/**
 * One search for adversarial examples. `begin` makes the first state, `step` the next one from what came before; step
 * numbers run from 0. Everything that changes by image is in the state, and everything else is a function of the step number.
 * A state's tensors may be written in place by the step that gets them, but what `begin` takes from the images it must copy
 * first if it is to be written. Runs without a graph; each step is a scope of its own.
 */
export interface AttackSearch<S extends SearchState = SearchState> {
  readonly steps: number;
  /** Passes that a step makes of each image, forward and backward, about; default 2. It tells the time to go. */
  readonly passes?: ((classes: number) => number) | undefined;
  begin(context: SearchContext): S;
  step(context: SearchContext, state: S, step: number): S;
  /** Of which images `found` may count at the end, bool [N]; default of all, by the judge, who allows for rounding. */
  mayCount?(state: S): Tensor;
  /** Frees what the search holds beside its state; called when it is over, whatever ended it. */
  end?(): void;
}

/** What can be seen after the start (`step` 0) and after each step (1, 2, ...). */
export interface SearchProgress {
  /** Steps done. */
  readonly step: number;
  readonly state: SearchState;
  /** Which of the images given the state's rows are. */
  readonly rows: Int32Array;
  readonly outcome: PartialOutcome;
}

interface PartialOutcome {
  /** 1 where a point is confirmed, by image. */
  readonly broken: Uint8Array;
  /** Step at which it was confirmed, 0 for the start; -1 where none was. */
  readonly steps: Int32Array;
  /** Confirmed points, by image; `x` elsewhere. [N,C,H,W] */
  readonly points: Tensor;
}

export interface AttackSearchOptions {
  /** Images leave once they are broken (default). Otherwise all go on to the end, as the reference's do. */
  readonly leave?: boolean;
  /** The network whose word counts; default the victim. */
  readonly judge?: Victim | undefined;
  readonly poll?: (() => void) | undefined;
  /** Called after the start and after each step; may keep nothing but copies. */
  readonly onStep?: ((progress: SearchProgress) => void) | undefined;
  /** Where an interrupted search stood, as `onStep` saw it. */
  readonly resume?: SearchProgress | undefined;
}

/** What a search found. A broken image has a point inside ball and box that `judge` misclassifies; others keep x. */
export interface SearchOutcome extends PartialOutcome {
  /** The last state, of the rows that were left; with `leave: false` all of them. */
  readonly state: SearchState;
  readonly rows: Int32Array;
}

const select = (t: Tensor, at: Tensor) => ops.indexSelect(t, 0, at);
/** Row numbers as an index for libtorch. */
export const positions = (rows: Iterable<number>): Tensor => tensor(BigInt64Array.from([...rows], BigInt));
/** The tensors of a context that have rows. */
const ROWS = ["x", "y", "target", "start"] as const;

/** The rows of the images at these places. */
export function selectImages<T extends SearchImages>(images: T, rows: readonly number[]): T {
  const at = positions(rows);
  return {
    ...images,
    x: select(images.x, at),
    y: select(images.y, at),
    target: images.target && select(images.target, at),
    start: images.start && select(images.start, at),
    indices: Int32Array.from(rows, (row) => images.indices[row] as number),
  };
}

/** Frees what the old state had and neither the new one nor the images have. */
function release(old: SearchState, next: SearchState, images: SearchContext): void {
  const kept = new Set([...Object.values(next), ...ROWS.map((name) => images[name])]);
  for (const value of Object.values(old)) if (!kept.has(value)) value.dispose();
}

/**
 * Runs a search on images, which `threat` bounds. To be called in a scope, which then owns the outcome. Every hit is
 * confirmed by `judge` before it counts, and so is the last `found` of the images that are left.
 */
export function runSearch(
  search: AttackSearch,
  threat: Threat,
  context: SearchContext,
  options: AttackSearchOptions = {},
): SearchOutcome {
  try {
    return noGrad(() => new Loop(search, threat, context, options).run());
  } finally {
    search.end?.();
  }
}

/** The loop's own state: which images are left, and what was found of the others. */
class Loop {
  readonly search: AttackSearch;
  readonly threat: Threat;
  readonly given: SearchContext;
  readonly options: AttackSearchOptions;
  readonly judge: Victim;
  readonly outcome: PartialOutcome;
  context: SearchContext;
  rows: Int32Array;

  constructor(search: AttackSearch, threat: Threat, images: SearchContext, options: AttackSearchOptions) {
    const context = { ...images, leave: options.leave ?? true };
    this.search = search;
    this.threat = threat;
    this.given = context;
    this.options = options;
    this.judge = options.judge ?? context.victim;
    this.context = context;
    const count = context.x.shape[0] ?? 0;
    this.rows = options.resume?.rows ?? Int32Array.from({ length: count }, (_, i) => i);
    this.outcome = options.resume?.outcome ?? {
      broken: new Uint8Array(count),
      steps: new Int32Array(count).fill(-1),
      points: ops.clone(context.x),
    };
  }

  run(): SearchOutcome {
    const { search, options } = this;
    const { resume } = options;
    let step = resume?.step ?? 0;
    if (resume !== undefined && this.rows.length < this.given.indices.length) {
      this.context = selectImages(this.given, [...this.rows]);
    }
    let state: SearchState;
    if (resume === undefined) {
      options.poll?.();
      state = this.settle(
        scope(() => search.begin(this.context)),
        0,
      );
    } else state = resume.state;
    while (step < search.steps && this.rows.length > 0) {
      options.poll?.();
      const before = state;
      const after = scope(() => search.step(this.context, before, step));
      release(before, after, this.context);
      step += 1;
      state = this.settle(after, step);
    }
    const { outcome, rows } = this;
    const last = search.mayCount ? placesOf(search.mayCount(state)) : allOf(rows.length);
    if (last.length > 0) this.record(state, last, step);
    return { ...outcome, state, rows };
  }

  /** Confirms hits, lets the broken leave, and tells who wants to know. */
  settle(state: SearchState, step: number): SearchState {
    const leave = this.options.leave ?? true;
    const hits = leave ? placesOf(state.hit) : [];
    const broken = hits.length > 0 ? this.record(state, hits, step) : new Set<number>();
    const next = broken.size > 0 ? this.dropRows(state, broken) : state;
    this.options.onStep?.({ step, state: next, rows: this.rows, outcome: this.outcome });
    return next;
  }

  /** Asks the judge about these rows' `found`; notes those that are broken and gives their places. */
  record(state: SearchState, places: readonly number[], step: number): Set<number> {
    const { outcome, threat, judge, context, rows } = this;
    return scope(() => {
      const at = positions(places);
      const points = select(state.found, at);
      const verdicts = breaks(judge, threat, select(context.x, at), select(context.y, at), points);
      const confirmed = places.filter((_, i) => verdicts[i] === 1);
      if (confirmed.length === 0) return new Set();
      const images = confirmed.map((place) => rows[place] as number);
      for (const image of images) {
        outcome.broken[image] = 1;
        outcome.steps[image] = step;
      }
      ops.indexCopy_(outcome.points, 0, positions(images), select(state.found, positions(confirmed)));
      return new Set(confirmed);
    });
  }

  dropRows(state: SearchState, broken: ReadonlySet<number>): SearchState {
    const kept = allOf(this.rows.length).filter((place) => !broken.has(place));
    const { context, given } = this;
    this.rows = Int32Array.from(kept, (place) => this.rows[place] as number);
    const [next, images] = scope(() => {
      const at = positions(kept);
      const entries = Object.entries(state).map(([name, value]) => [name, select(value, at)] as const);
      return [Object.fromEntries(entries) as unknown as SearchState, selectImages(context, kept)] as const;
    });
    release(state, next, context);
    for (const name of ROWS) if (context[name] !== given[name]) context[name]?.dispose();
    this.context = images;
    return next;
  }
}

const allOf = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Where a bool tensor [N] is true. */
export function placesOf(flags: Tensor): number[] {
  return [...(flags.toArray() as Uint8Array)].flatMap((flag, place) => (flag ? [place] : []));
}
