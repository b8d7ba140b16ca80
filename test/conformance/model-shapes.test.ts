// What pruning and evaluation take models' word for: which norms fold, and which layers share channels.
import { describe, expect, test } from "vitest";
import { folded, type Model, models, type Stream, withState } from "../../src/models/index.js";
import { cloneParams, type ModelState, type Params, param } from "../../src/nn/index.js";
import { harp, layoutOf } from "../../src/pruning/index.js";
import { noGrad, ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { exercised } from "../support/exercised.js";
import { freeModel } from "../support/tiny.js";
import { rows } from "./model-rows.js";

/** Runs `fn` on a small network in float64 whose norms do something. */
function onSmall(name: string, fn: (model: Model, x: Tensor) => void): void {
  const { options, create } = models.get(name);
  const made = create(options.parse(rows[name]?.small) as never, { seed: 1 });
  noGrad(() =>
    scope(() => {
      const model = exercised(made);
      fn(model, ops.uniform_(ops.empty([3, ...model.inputShape], { dtype: "float64" })));
    }),
  );
  freeModel(made);
}

const logits = (model: Model, state: ModelState, x: Tensor) => model.forward(state, x, { batchNorm: "running" });
/** The largest difference of the logits, relative to the largest logit. */
const change = (before: Tensor, after: Tensor) =>
  ops.amax(ops.abs(ops.sub(after, before))).item() / ops.amax(ops.abs(before)).item();

/** All that a layer reads of one channel; a linear layer behind a flattened image reads each as several inputs. */
function readOf(params: Params, layer: string, channel: number, channels: number): Tensor {
  const weight = param(params, `${layer}.weight`);
  const per = (weight.shape[1] as number) / channels;
  return ops.narrow(weight, 1, channel * per, per);
}

/** Which of a stream's ends are changed in its last channel: not read by any reader, written otherwise by each writer. */
function changed(model: Model, { writers, readers }: Stream, ends: { unread?: boolean; rewritten?: boolean }): Model {
  const params = cloneParams(model.params);
  const channels = param(params, `${writers[0]}.weight`).shape[0] as number;
  const last = channels - 1;
  if (ends.unread) for (const layer of readers) ops.zero_(readOf(params, layer, last, channels));
  for (const layer of ends.rewritten ? writers : [])
    ops.add_(ops.select(param(params, `${layer}.weight`), 0, last), 0.3);
  return withState(model, { params });
}

describe.each(Object.entries(rows))("%s", (name, { folds }) => {
  test("is the same function when folded, with its dead channels cut out", () => {
    onSmall(name, (model, x) => {
      const { hidden } = model.shortcuts ?? { hidden: new Map<string, string>() };
      for (const reader of hidden.values()) {
        const weight = param(model.params, `${reader}.weight`);
        ops.zero_(ops.narrow(weight, 1, 0, 1));
      }
      const state = folded(model);
      expect([state.folded?.size, hidden.size]).toEqual(folds);
      for (const conv of hidden.keys()) {
        const [full, cut] = [model, state].map(({ params }) => param(params, `${conv}.weight`).shape[0] as number);
        expect(cut, conv).toBeLessThanOrEqual(Math.max(1, (full as number) - 1));
      }
      expect(change(logits(model, model, x), logits(model, state, x))).toBeLessThan(1e-10);
    });
  });
});

const isTransformer = ([name]: readonly [string, unknown]) => name.startsWith("vit_");

describe.each(Object.entries(rows).filter(isTransformer))("%s", (name) => {
  test("has no channel that can be cut out: such structures are refused, others are not", () => {
    onSmall(name, (model) => {
      expect(model.streams).toEqual([]);
      for (const structure of ["filters", "channels"] as const) {
        expect(() => layoutOf(model, { structure })).toThrow(
          `structure ${structure}: expected a network without attention or layer norm`,
        );
      }
      expect(() => harp({ keepRatio: 0.5, structure: "channels" }).init(model, rng(1))).toThrow("without attention");
      const layout = layoutOf(model, { structure: "n:m", pattern: { n: 2, m: 4 } });
      expect([...(layout?.weights.values() ?? [])].filter(({ whole }) => !whole).length).toBeGreaterThanOrEqual(
        model.prunable.length - 1,
      );
    });
  });
});

describe.each(Object.entries(rows).filter((row) => !isTransformer(row)))("%s", (name) => {
  test("says of every layer what it reads and writes, once", () => {
    onSmall(name, (model) => {
      const layers = model.prunable.map((weight) => weight.replace(/\.weight$/, "")).sort();
      for (const end of ["writers", "readers"] as const) {
        expect((model.streams ?? []).flatMap((stream) => stream[end]).sort()).toEqual(layers);
      }
      const ends = (model.streams ?? []).filter(({ writers, readers }) => writers.length * readers.length === 0);
      expect(ends.map(({ writers, readers }) => [...writers, ...readers])).toEqual([
        [model.prunable[0]?.replace(/\.weight$/, "")],
        [model.prunable.at(-1)?.replace(/\.weight$/, "")],
      ]);
    });
  });

  test("knows all that reads a channel: zeroed there, it does not matter what is written", () => {
    onSmall(name, (model, x) => {
      let felt = 0;
      const inner = (model.streams ?? []).filter(({ writers, readers }) => writers.length * readers.length > 0);
      for (const stream of inner) {
        const run = (ends: Parameters<typeof changed>[2]) => {
          const other = changed(model, stream, ends);
          const result = logits(other, other, x);
          for (const value of other.params.values()) value.dispose();
          return result;
        };
        const [unread, both] = [run({ unread: true }), run({ unread: true, rewritten: true })];
        expect(change(unread, both), `${stream.writers}`).toBeLessThan(1e-12);
        if (change(run({}), run({ rewritten: true })) > 1e-9) felt += 1;
      }
      // Channels that a ReLU has made zero do not feel it.
      expect(felt).toBeGreaterThan(inner.length / 2);
    });
  });
});
