import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { liveTensors, scope, type Tensor, tensor } from "../torch/index.js";
import type { Progress } from "./schedule.js";
import { cosine } from "./schedule.js";
import { type OptimizerState, sgd } from "./sgd.js";

const at = (step: number, steps = 10): Progress => ({ step, steps, epoch: 0, epochs: 1 });
const vector = (values: readonly number[]) => tensor(Float64Array.from(values));
const named = (rows: Readonly<Record<string, readonly number[] | undefined>>) =>
  new Map(Object.entries(rows).flatMap(([name, row]) => (row ? [[name, vector(row)] as const] : [])));
const numbers = (params: ReadonlyMap<string, Tensor>) =>
  Object.fromEntries(Array.from(params, ([name, t]) => [name, t.toNumbers()]));

interface Options {
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly nesterov: boolean;
}

/** PyTorch's rule, number by number. */
function slow(
  options: Options,
  start: readonly number[],
  gradients: readonly (readonly number[] | undefined)[],
): number[] {
  const { lr, momentum, weightDecay, nesterov } = options;
  return start.map((first, i) => {
    let p = first;
    let buffer: number | undefined;
    for (const gradient of gradients) {
      if (gradient === undefined) continue;
      const g = (gradient[i] as number) + weightDecay * p;
      buffer = buffer === undefined ? g : momentum * buffer + g;
      const plain = nesterov ? g + momentum * buffer : buffer;
      p -= lr * (momentum === 0 ? g : plain);
    }
    return p;
  });
}

const value = fc.double({ min: -2, max: 2, noNaN: true });
const pair = fc.tuple(value, value);
const options = fc.record({
  lr: fc.constantFrom(0, 0.01, 0.1, 1),
  momentum: fc.constantFrom(0, 0.5, 0.9),
  weightDecay: fc.constantFrom(0, 1e-4, 0.1),
  nesterov: fc.boolean(),
});

test("agrees with PyTorch's rule, steps without a gradient and all", () => {
  const steps = fc.array(fc.option(pair, { nil: undefined, freq: 3 }), { minLength: 1, maxLength: 6 });
  const property = fc.property(options, pair, pair, steps, (drawn, a, b, gradients) => {
    const chosen = { ...drawn, nesterov: drawn.nesterov && drawn.momentum > 0 };
    const params = named({ a, b });
    const state: OptimizerState = new Map();
    const optimizer = sgd(chosen);
    // b has a gradient in every step, a only in some.
    for (const [i, gradient] of gradients.entries()) {
      optimizer.step(params, named({ a: gradient, b: [0.5, -0.25] }), state, at(i));
    }
    const always = gradients.map(() => [0.5, -0.25]);
    const found = numbers(params);
    for (const [i, wanted] of slow(chosen, a, gradients).entries()) expect(found.a?.[i]).toBeCloseTo(wanted, 12);
    for (const [i, wanted] of slow(chosen, b, always).entries()) expect(found.b?.[i]).toBeCloseTo(wanted, 12);
  });
  fc.assert(property, { numRuns: 300 });
});

describe("sgd", () => {
  test("leaves a parameter without a gradient as it is, decay and momentum too", () => {
    const params = named({ a: [1, -1], b: [1, -1] });
    const state: OptimizerState = new Map();
    const optimizer = sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.5 });
    optimizer.step(params, named({ a: [1, 1], b: [1, 1] }), state, at(0));
    const before = numbers(state).b;
    const moved = numbers(params).b;
    optimizer.step(params, named({ a: [1, 1] }), state, at(1));
    expect(numbers(state).b).toEqual(before);
    expect(numbers(params).b).toEqual(moved);
    expect(numbers(params).a).not.toEqual(moved);
  });

  test("remembers nothing for what never had a gradient, and nothing at all without momentum", () => {
    const params = named({ a: [1], b: [1] });
    const state: OptimizerState = new Map();
    sgd({ lr: 0.1, momentum: 0.9 }).step(params, named({ a: [1] }), state, at(0));
    expect([...state.keys()]).toEqual(["a"]);
    const empty: OptimizerState = new Map();
    sgd({ lr: 0.1 }).step(params, named({ a: [1] }), empty, at(0));
    expect(empty.size).toBe(0);
  });

  test("changes parameters in place, keeps gradients, and leaves no tensor behind", () => {
    const params = named({ a: [1, 2] });
    const before = params.get("a");
    const gradients = named({ a: [1, 1] });
    const state: OptimizerState = new Map();
    const optimizer = sgd({ lr: 0.1, momentum: 0.9, weightDecay: 0.1, nesterov: true });
    scope(() => optimizer.step(params, gradients, state, at(0)));
    const live = liveTensors();
    scope(() => optimizer.step(params, gradients, state, at(1)));
    expect(liveTensors()).toBe(live);
    expect(params.get("a")).toBe(before);
    expect(numbers(gradients)).toEqual({ a: [1, 1] });
  });

  test("takes its rate from the schedule", () => {
    const params = named({ a: [0] });
    const optimizer = sgd({ lr: 0.1, schedule: cosine() });
    optimizer.step(params, named({ a: [1] }), new Map(), at(5));
    expect(numbers(params).a?.[0]).toBeCloseTo(-0.05, 12);
    expect(optimizer.lr(at(5))).toBeCloseTo(0.05, 12);
  });

  test("refuses Nesterov without momentum", () => {
    expect(() => sgd({ lr: 0.1, nesterov: true })).toThrow("sgd: expected momentum above 0 with nesterov, got 0");
  });
});
