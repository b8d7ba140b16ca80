import { count, decimal, listing, missing, percent } from "../../report/format.js";
import type { RunState, RunSummary } from "../api.js";
import type { Progress } from "../progress.js";

/** A state by word and sign, so that it is told without colours. */
export const stateWords: Readonly<Record<RunState, string>> = {
  running: "▶ running",
  done: "✓ done",
  stopped: "‖ stopped",
  failed: "✗ failed",
  killed: "✗ killed",
  unknown: "? unknown",
};

/** `3725` -> `1 h 2 min`. */
export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return missing;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.round(hours / 24)} days`;
}

/** A moment on the reader's clock. */
export function moment(iso: string | null): string {
  const at = iso === null ? Number.NaN : Date.parse(iso);
  if (!Number.isFinite(at)) return missing;
  return new Date(at).toLocaleString("en-GB", { dateStyle: "short", timeStyle: "medium" });
}

/** `1536` -> `1.5 KB`. */
export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const units = ["KB", "MB", "GB", "TB"];
  const at = Math.min(units.length - 1, Math.floor(Math.log10(size) / 3) - 1);
  return `${decimal(size / 1000 ** (at + 1), 1)} ${units[at]}`;
}

/** How far a run is, with the stage that it is in. */
export function progressWords({ stage, share }: Progress): string {
  if (stage === null) return share === 1 ? "nothing to train" : "not begun";
  return share === null ? stage : `${stage} ${percent(share, 0)} %`;
}

/** A share that a tick of an axis stands at, in per cent: `0.035` -> `3.5`. Twelve digits are what a sum of tick intervals has right. */
export const percentTick = (share: number): string => String(Number((100 * share).toPrecision(12)));

/** Where the robust accuracy of a row comes from. */
export function attackWords({ attack, norm, eps, examples, robustAccuracy }: RunSummary): string {
  if (robustAccuracy === null) return missing;
  if (attack === null) return "held-out images, in training";
  const threat = [norm, eps].filter((each) => each !== null && each !== "").join(" ");
  return [attack, threat, `${count(examples)} images`].filter((each) => each !== "").join(", ");
}

const conditions = {
  attack: "attack",
  norm: "norm",
  eps: "eps",
  examples: "number of images",
  dataHash: "data",
} as const;

/** Whether a difference in robust accuracy may be called one: two intervals apart, of runs that were attacked alike. */
export function verdict(own: RunSummary, first: RunSummary): string {
  if (own.id === first.id) return "measured against this one";
  if (own.interval === null && first.interval === null) return "not measured";
  if (own.interval === null || first.interval === null) {
    return `not measured: ${own.interval === null ? "this run" : "the first run"} was not attacked`;
  }
  const keys = Object.keys(conditions) as (keyof typeof conditions)[];
  const unlike = keys.filter((key) => own[key] !== first[key]).map((key) => conditions[key]);
  if (unlike.length > 0) return `not measured alike: they differ in ${listing(unlike)}`;
  const apart = own.interval[0] > first.interval[1] || own.interval[1] < first.interval[0];
  return apart ? "beyond the 95 % intervals" : "within the 95 % intervals: not shown";
}

/** Names of runs that can be told apart: where two are equal, their paths. */
export function labels(runs: readonly RunSummary[]): ReadonlyMap<string, string> {
  const times = new Map<string, number>();
  for (const { name } of runs) times.set(name, (times.get(name) ?? 0) + 1);
  return new Map(runs.map(({ id, name, path }) => [id, times.get(name) === 1 ? name : path]));
}
