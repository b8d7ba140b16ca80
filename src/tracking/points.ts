import type { RunEvent } from "../run/index.js";

/** One number of a curve. */
export interface Point {
  /** Curve, with `/` between its parts: `search/epoch/loss`. Only letters, digits, `_`, `-`, `.`, space and `/`. */
  readonly tag: string;
  /** Optimizer steps of the stage (`step`), epochs done (`epoch`), or 0 (`evaluation`). */
  readonly step: number;
  readonly value: number;
}

/** Fields that say where on the curve an event lies, or are the same in every event. */
const NOT_CURVES = new Set(["epoch", "step", "selectionExamples", "examples"]);

/** A part of a tag that any tracker takes, and that is harmless as a file name. */
function part(text: string): string {
  const plain = text.replace(/[^\w.\- ]/g, "_");
  return /^[. ]*$/.test(plain) ? "_" : plain;
}

function leaves(value: unknown, path: readonly string[]): { path: readonly string[]; value: number }[] {
  // A loss that is not finite is null in JSON.
  if (typeof value === "number") return Number.isFinite(value) ? [{ path, value }] : [];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => leaves(inner, [...path, key]));
}

function curves(prefix: readonly string[], step: number, event: RunEvent): Point[] {
  const fields = Object.entries(event).filter(([key]) => !NOT_CURVES.has(key));
  return leaves(Object.fromEntries(fields), prefix).map(({ path, value }) => ({
    tag: path.map(part).join("/"),
    step,
    value,
  }));
}

/**
 * The numbers of an event as points of curves: `STAGE/step/...` over optimizer steps, `STAGE/epoch/...` over epochs done,
 * `evaluation/ATTACK/eps-8-255/...` at 0. Events without numbers give none.
 */
export function pointsOf(event: RunEvent): readonly Point[] {
  if (event.type === "step") return curves([event.stage, "step"], event.step, event);
  if (event.type === "epoch") return curves([event.stage, "epoch"], event.epoch + 1, event);
  if (event.type !== "evaluation") return [];
  const { interval, eps, ...rest } = event;
  const [low, high] = interval ?? [];
  const prefix = ["evaluation", event.attack, ...(eps ? [`eps-${eps.replaceAll("/", "-")}`] : [])];
  return curves(prefix, 0, { ...rest, ...(low !== undefined && { interval: { low, high } }) } as unknown as RunEvent);
}

/** Time of an event in milliseconds since 1970; 0 where it does not say. */
export function timeOf(event: RunEvent): number {
  const time = Date.parse(event.at);
  return Number.isNaN(time) ? 0 : time;
}
