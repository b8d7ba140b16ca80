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
  // As nearly all are.
  if (/^[A-Za-z]\w*$/.test(text)) return text;
  const plain = text.replace(/[^\w.\- ]/g, "_");
  return /^[. ]*$/.test(plain) ? "_" : plain;
}

function addLeaves(value: unknown, tag: string, step: number, into: Point[]): void {
  // A loss that is not finite is null in JSON.
  if (typeof value === "number" && Number.isFinite(value)) into.push({ tag, step, value });
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value)) addLeaves(inner, `${tag}/${part(key)}`, step, into);
}

function curves(prefix: readonly string[], step: number, event: object): Point[] {
  const points: Point[] = [];
  const tag = prefix.map(part).join("/");
  for (const [key, value] of Object.entries(event)) {
    if (!NOT_CURVES.has(key)) addLeaves(value, `${tag}/${part(key)}`, step, points);
  }
  return points;
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
  return curves(prefix, 0, { ...rest, ...(low !== undefined && { interval: { low, high } }) });
}

/** Time of an event in milliseconds since 1970; 0 where it does not say. */
export function timeOf(event: RunEvent): number {
  const time = Date.parse(event.at);
  return Number.isNaN(time) ? 0 : time;
}
