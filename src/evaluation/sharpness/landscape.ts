// Slices of the robust loss over scores, L(s + a x + b y) with the masks re-taken at every point; `landscape.json`.
import { existsSync, readFileSync } from "node:fs";
import { mapParams, type Params, param } from "../../nn/index.js";
import { differences } from "../../run/index.js";
import { ops, present, scope } from "../../torch/index.js";
import { DataError, diskError, expected, rng, show, UsageError, writeFileAtomic } from "../../util/index.js";
import { type Direction, directionOf } from "./directions.js";
import type { ScoreLoss } from "./score-loss.js";
import { inner } from "./vectors.js";

export interface LandscapeAxis {
  readonly direction: Direction;
  /** Ascending; 0 is the state itself. */
  readonly coordinates: readonly number[];
}

/** All that decides the values. */
export interface LandscapeSettings {
  readonly epoch: number;
  /** SHA-256 over scores, weights and statistics; of the other search's scores too, where a direction leads there. */
  readonly state: string;
  readonly other: { readonly run: string; readonly state: string } | null;
  readonly images: number;
  readonly split: string;
  readonly seed: number;
  readonly attack: string;
  readonly norm: string;
  /** As written. */
  readonly eps: string;
  readonly objective: string;
  readonly loss: "robust" | "crossEntropy";
  readonly dtype: "float32" | "float64";
  readonly lanczosSteps: number;
  readonly data: { readonly name: string; readonly sha256: string };
  /** One or two. */
  readonly axes: readonly LandscapeAxis[];
}

export interface LandscapeRecord {
  readonly format: 1;
  readonly run: string;
  readonly settings: LandscapeSettings;
  /** Norms of the directions as shares of the scores' norm, once they are known. */
  readonly lengths: readonly number[];
  /** Cosine between the two axes; null of one. */
  readonly cosine: number | null;
  /** By the second axis (of one: a single row), then by the first; null where it is still to be done. */
  readonly losses: readonly (readonly (number | null)[])[];
  readonly seconds: number;
}

/** Even steps from low to high, and exactly the `marks` among them. */
export function coordinates(low: number, high: number, points: number, marks: readonly number[] = [0]): number[] {
  const even = Array.from({ length: points }, (_, i) => low + ((high - low) * i) / Math.max(points - 1, 1));
  const near = Math.abs(high - low) * 1e-9;
  const others = even.filter((value) => marks.every((mark) => Math.abs(value - mark) > near));
  return [...others, ...marks].sort((a, b) => a - b);
}

export function readLandscape(path: string): LandscapeRecord | undefined {
  if (!existsSync(path)) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw diskError(path, error, "read");
  }
  const record = found as LandscapeRecord | undefined;
  if (record?.format === 1 && Array.isArray(record.losses) && record.settings !== undefined) return record;
  throw new DataError(`${expected(path, "a landscape, format 1", found)}; remove it to draw it again`, {
    code: "data/landscape",
  });
}

export function writeLandscape(path: string, record: LandscapeRecord): void {
  writeFileAtomic(path, `${JSON.stringify(record)}\n`);
}

export interface LandscapeWork {
  readonly run: string;
  readonly at: ScoreLoss;
  readonly settings: LandscapeSettings;
  readonly start?: Params | undefined;
  readonly other?: Params | undefined;
  /** The record to go on with, and its path for errors. */
  readonly found?: { readonly path: string; readonly record: LandscapeRecord } | undefined;
  /** Gets the record every second, and where the work ends or is stopped. */
  readonly onRecord?: ((record: LandscapeRecord) => void) | undefined;
  readonly onProgress?: ((done: number, of: number) => void) | undefined;
}

function requireSame({ found, settings }: LandscapeWork): void {
  if (found === undefined) return;
  const apart = differences(found.record.settings, JSON.parse(JSON.stringify(settings)));
  if (apart.length === 0) return;
  const text = apart.slice(0, 6).map((d) => `${d.path} ${show(d.before)}, now ${show(d.after)}`);
  throw new UsageError(
    `${found.path}: expected the settings that it was begun with, got others (${text.join("; ")}); name another file with --out, or remove it`,
    { code: "usage/landscape-settings" },
  );
}

/** What is not there yet. */
function empty({ axes: [x, y] }: LandscapeSettings): (number | null)[][] {
  const rows = y?.coordinates.length ?? 1;
  return Array.from({ length: rows }, () => Array.from({ length: x?.coordinates.length ?? 0 }, () => null));
}

/** s + a x + b y; s itself, to the bit, at 0. */
function moved(scores: Params, steps: readonly { readonly by: number; readonly along: Params }[]): Params {
  const taken = steps.filter(({ by }) => by !== 0);
  return mapParams(scores, (score, name) =>
    taken.reduce((sum, { by, along }) => ops.add(sum, param(along, name), { alpha: { float: by } }), score),
  );
}

const SAVE_MS = 1000;

/** Computes what is missing of a landscape. */
export function landscape(work: LandscapeWork): LandscapeRecord {
  const { run, at, settings, found, onRecord, onProgress } = work;
  requireSame(work);
  const [x, y] = settings.axes;
  const losses = found ? found.record.losses.map((row) => [...row]) : empty(settings);
  const of = losses.flat().length;
  let left = losses.flat().filter((value) => value === null).length;
  if (found && left === 0) return found.record;
  return scope(() => {
    const { seed, dtype, lanczosSteps } = settings;
    const context = { at, rng: rng(seed, "landscape"), dtype, lanczosSteps, start: work.start, other: work.other };
    const directions = settings.axes.map(({ direction }, axis) => directionOf(direction, axis, context));
    const norm = (params: Params) => Math.sqrt(inner(params, params));
    const lengths = directions.map((direction) => norm(direction) / norm(at.scores));
    const [dx, dy] = [present(directions[0], "the first axis"), directions[1]];
    const cosine = dy === undefined ? null : inner(dx, dy) / (norm(dx) * norm(dy));
    const begun = performance.now();
    const record = (): LandscapeRecord => {
      const seconds = (found?.record.seconds ?? 0) + (performance.now() - begun) / 1000;
      return { format: 1, run, settings, lengths, cosine, losses, seconds };
    };
    let saved = begun;
    try {
      (y?.coordinates ?? [0]).forEach((b, row) => {
        x?.coordinates.forEach((a, column) => {
          const line = losses[row] as (number | null)[];
          if (line[column] !== null) return;
          const steps = [{ by: a, along: dx }, ...(dy ? [{ by: b, along: dy }] : [])];
          line[column] = scope(() => at.loss(moved(at.scores, steps)));
          left -= 1;
          onProgress?.(of - left, of);
          if (performance.now() - saved < SAVE_MS) return;
          onRecord?.(record());
          saved = performance.now();
        });
      });
    } finally {
      onRecord?.(record());
    }
    return record();
  });
}
