import type { ModelState } from "../nn/index.js";
import type { Tensor } from "../torch/index.js";
import { compile } from "./described.js";
import type { Operation } from "./described-operations.js";
import type { Model } from "./model.js";
import { multiplications } from "./operations.js";
import { type Field, outputSize, reachedSide, type Size } from "./squares.js";

/** Where more than this share of a map's pixels changes, the whole map is computed. */
const MOST = 0.7;

type Run = (x: Tensor, stored: Map<string, Tensor>) => Tensor;

/** An operation of a network in one state. */
export interface RouteStep {
  readonly step: Operation;
  /** How far it looks; undefined where it goes pixel by pixel or moves maps about. */
  readonly field: Field | undefined;
  /** On whole maps. */
  readonly run: Run;
  /** On parts of maps that already have what it looks at beyond their border. */
  readonly inner: Run;
  /** Whether its result is a map that others read, and nothing between operations that go pixel by pixel. */
  readonly kept: boolean;
}

/** All operations of a network, and how many of them, from the first on, could be followed. */
export interface Route {
  readonly steps: readonly RouteStep[];
  readonly length: number;
}

const POINTWISE: ReadonlySet<Operation["op"]> = new Set(["normalize", "batchnorm2d", "relu", "gelu"]);
const MOVING: ReadonlySet<Operation["op"]> = new Set(["store", "load", "add"]);

/** A convolution, or pooling without padding, which would not be of zeros. */
function fieldOf(step: Operation): Field | undefined {
  if (step.op === "conv2d") return step;
  return step.op === "maxpool2d" && step.padding === 0 ? step : undefined;
}

const follows = (step: Operation) => POINTWISE.has(step.op) || MOVING.has(step.op) || fieldOf(step) !== undefined;

export function routeOf(operations: readonly Operation[], state: ModelState): Route {
  const end = operations.findIndex((step) => !follows(step));
  const steps = operations.map((step, i): RouteStep => {
    const [previous, next] = [operations[i - 1], operations[i + 1]];
    const compiled = (as: Operation): Run => {
      const run = compile(as, previous, "float64");
      return (x, stored) => run(state, x, "running", stored);
    };
    const field = fieldOf(step);
    const kept = step.op !== "store" && step.op !== "load" && !(next && POINTWISE.has(next.op));
    const run = compiled(step);
    const inner = step.op === "conv2d" ? compiled({ ...step, padding: 0 }) : run;
    return { step, field, run, inner, kept };
  });
  return { steps, length: end < 0 ? steps.length : end };
}

/** Side of the squares that a field makes in a map of this size; undefined where they are most of the map. */
export function sideAfter(field: Field, side: number, { height, width }: Size): number | undefined {
  const out = reachedSide(field, side);
  return out <= Math.min(height, width) && out * out <= MOST * height * width ? out : undefined;
}

/** How far squares of this side are followed, and what share of a pass's multiplications that saves. */
export function followed(model: Model, { steps, length }: Route, side: number): { end: number; saved: number } {
  const [, height, width] = model.inputShape;
  let current = { side, size: { height, width } };
  let [end, saved] = [length, 0];
  const stored = new Map<string, typeof current>();
  for (const [i, { step, field }] of steps.slice(0, length).entries()) {
    if (step.op === "store") stored.set(step.id, current);
    else if (step.op === "load") current = stored.get(step.id) ?? current;
    else if (step.op === "add") {
      current = { ...current, side: Math.max(current.side, stored.get(step.id)?.side ?? 0) };
    } else if (field) {
      const size = outputSize(field, current.size);
      const out = sideAfter(field, current.side, size);
      if (out === undefined) {
        end = i;
        break;
      }
      if (step.op === "conv2d") {
        saved += (size.height * size.width - out * out) * step.in * step.out * step.kernel ** 2;
      }
      current = { side: out, size };
    }
  }
  return { end, saved: saved / multiplications(model) };
}
