// A record of several states: what is in it, going on after a stop, and what it refuses.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { settledTensors } from "../../../test/support/settled.js";
import { tinyImages, tinyLosses, tinyPoint } from "../../../test/support/tiny-scores.js";
import { type Split, split } from "../../data/index.js";
import type { RobustLoss } from "../../losses/index.js";
import { mapParams } from "../../nn/index.js";
import { hydra } from "../../pruning/index.js";
import { call, h, one, plans } from "../../torch/dispatch.js";
import { liveTensors, ops, scope, type Tensor } from "../../torch/index.js";
import { parseOptions, rng } from "../../util/index.js";
import { crafterOf } from "./images.js";
import { type MeasureSharpness, measureSharpness, type States } from "./measure.js";
import { QUANTITIES, sharpnessOptions } from "./options.js";
import { readSharpness, type SharpnessRecord, writeSharpness } from "./record.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-sharpness-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = parseOptions("sharpness", sharpnessOptions, {
  ...{ images: 10, dtype: "float64", lanczosSteps: 5, layerSteps: 3, probes: 3, ascentSteps: 2, directions: 2 },
});
const robust = tinyLosses["pgd-at"];
let images: Split;
beforeAll(() => {
  const { x, y } = tinyImages(12);
  images = split(
    {
      ...{
        name: "drawn",
        images: ops.to(x, "float32"),
        labels: y,
        length: 12,
        numClasses: 3,
        classNames: ["a", "b", "c"],
      },
      source: { kind: "generated", location: "test", sha256: "0" },
    },
    Int32Array.from({ length: 12 }, (_, i) => i),
  );
});

const point = tinyPoint();
const states = (epochs: readonly number[], of = point): States => ({
  run: "tiny",
  epochs,
  // Later states have other scores.
  open: (epoch) => {
    const scores = mapParams(of.state.scores, (s) => ops.add(s, { float: 0.02 * epoch }));
    return { ...of, state: { ...of.state, scores } };
  },
});
const given = (more: Partial<MeasureSharpness> = {}): MeasureSharpness => {
  return { split: images, splitName: "selection", robust, crafter: crafterOf(robust), options, ...more };
};

/** Σ_{j≠y} max(0, 1 - z_y + z_j) / C, the mean over images: by an operator without second derivative, and without it. */
const marginOp = plans(["aten::multi_margin_loss"]);
const operatorMargin = (z: Tensor, y: Tensor) => one(call(marginOp(0), h(z), h(y), 1, 1, undefined, 1));
const slowMargin = (z: Tensor, y: Tensor) => {
  const right = ops.gather(z, 1, ops.unsqueeze(y, 1));
  const others = ops.eq(ops.oneHot(y, { numClasses: 3 }), 0);
  return ops.div(ops.mean(ops.sumDim(ops.mul(ops.relu(ops.add(ops.sub(z, right), 1)), others), [1])), 3);
};
const margin = (of: typeof slowMargin): RobustLoss => ({
  ...robust,
  evaluate: (forward, batch) => {
    const { loss, robustLogits } = robust.evaluate(forward, batch);
    return { loss: ops.add(loss, of(robustLogits, batch.y)), robustLogits };
  },
});

/** Without what time it took. */
const timeless = (record: SharpnessRecord) =>
  record.epochs.map(({ seconds, ...entry }) => [entry, Object.keys(seconds)]);

describe("a record", () => {
  test("has every quantity of every state, each layer too, and where they come from", async () => {
    const live = await settledTensors();
    const record = measureSharpness(states([0, 3]), given());
    expect(liveTensors()).toBe(live);
    expect(record).toMatchObject({
      ...{ format: 1, run: "tiny", layers: { "conv.weight": 36, "linear.weight": 48 } },
      settings: {
        ...options,
        split: "selection",
        attack: "of pgd-at",
        norm: "linf",
        eps: "8/255",
        objective: "pgd-at",
      },
    });
    expect(record.epochs.map(({ epoch }) => epoch)).toEqual([0, 3]);
    const [first, second] = record.epochs;
    expect(first?.state).not.toBe(second?.state);
    for (const entry of record.epochs) {
      for (const quantity of QUANTITIES) {
        expect(Object.keys(entry[quantity]?.layers ?? {}), quantity).toEqual(["conv.weight", "linear.weight"]);
      }
      expect(entry.eigenvalues?.check.relativeDifference).toBeLessThan(1e-6);
      expect(entry.worst?.total.loss).toBeGreaterThanOrEqual(entry.objectiveLoss);
    }
    // Through JSON it is the same: no NaN, nothing undefined.
    expect(JSON.parse(JSON.stringify(record))).toEqual(record);
  });

  test("has the loss that the examples give when it is computed by itself", () => {
    const { epochs } = measureSharpness(states([0]), given({ only: ["ties"] }));
    const direct = scope(() => {
      const { model, params, buffers, method, state } = point;
      const masks = method.masks(state);
      const theta = mapParams(params, (w, name) => {
        const mask = masks.get(name);
        return mask ? ops.mul(w, mask) : w;
      });
      const forward = (x: Tensor) => model.forward({ params: theta, buffers }, x, { batchNorm: "running" });
      const { x, y } = images.ordered(0, 10);
      const at = { rng: rng(0, "sharpness", "attack"), indices: Int32Array.from({ length: 10 }, (_, i) => i) };
      const victim = { logits: forward, passes: { forward: 0, backward: 0 } };
      const xAdv = robust.craft(victim, ops.to(x, "float64"), y, at);
      return robust.evaluate(forward, { x: ops.to(x, "float64"), y, xAdv }).loss.item();
    });
    expect(epochs[0]?.objectiveLoss).toBeCloseTo(direct, 12);
  });

  test("without layers, and in parts, has the same totals", () => {
    const whole = measureSharpness(states([0]), given());
    const less = measureSharpness(states([0]), given({ options: { ...options, layers: false, batchSize: 4 } }));
    const [a, b] = [whole.epochs[0], less.epochs[0]];
    expect(b?.eigenvalues?.layers).toEqual({});
    expect(b?.worst?.total.loss).toBeCloseTo(a?.worst?.total.loss as number, 10);
    expect(b?.eigenvalues?.values[0]).toBeCloseTo(a?.eigenvalues?.values[0] as number, 10);
    expect(b?.trace?.total.value).toBeCloseTo(a?.trace?.total.value as number, 10);
  });

  test("of a loss without a second derivative is made by finite differences, and says so", async () => {
    const only = ["eigenvalues", "trace"] as const;
    const live = await settledTensors();
    const [known] = measureSharpness(states([0]), given({ robust: margin(slowMargin), only })).epochs;
    const [entry] = measureSharpness(states([0]), given({ robust: margin(operatorMargin), only })).epochs;
    expect(liveTensors()).toBe(live);
    expect(known?.eigenvalues).toMatchObject({ products: "doubleBackward" });
    expect(entry).toMatchObject({
      eigenvalues: { products: "finiteDifferences", check: { doubleBackward: null, relativeDifference: null } },
      trace: { products: "finiteDifferences" },
    });
    expect(entry?.eigenvalues?.check.finiteDifferences).toBeCloseTo(known?.eigenvalues?.check.doubleBackward ?? 0, 5);
    expect(entry?.eigenvalues?.values[0]).toBeCloseTo(known?.eigenvalues?.values[0] as number, 5);
    expect(entry?.trace?.total.value).toBeCloseTo(known?.trace?.total.value as number, 5);
    expect(entry?.trace?.layers["conv.weight"]?.value).toBeCloseTo(known?.trace?.layers["conv.weight"]?.value ?? 0, 5);
  });

  test("of groups says nothing of ties", () => {
    const grouped = tinyPoint(hydra({ keepRatio: 0.5, structure: "filters" }));
    const { epochs } = measureSharpness(states([0], grouped), given());
    expect(epochs[0]).toMatchObject({ ties: null, flip: null });
    expect(epochs[0]?.eigenvalues?.values.length).toBe(3);
  });
});

describe("going on", () => {
  test("after a stop gives the same numbers, and does nothing twice", () => {
    const whole = measureSharpness(states([0, 3]), given());
    const path = join(folder, "stopped.json");
    let passes = 0;
    const stopping = () => {
      passes += 1;
      if (passes > 60) throw new Error("stop");
    };
    expect(() =>
      measureSharpness(states([0, 3]), given({ poll: stopping, onRecord: (r) => writeSharpness(path, r) })),
    ).toThrow("stop");
    const record = readSharpness(path) as SharpnessRecord;
    expect(record.epochs[0]?.eigenvalues).toBeDefined();
    expect(record.epochs.at(-1)?.flip).toBeUndefined();
    const progress: number[] = [];
    const gone = measureSharpness(
      states([0, 3]),
      given({ found: { path, record }, onProgress: ({ done, of }) => progress.push(done / of) }),
    );
    expect(timeless(gone)).toEqual(timeless(whole));
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress.at(-1)).toBeGreaterThan(0.9);
    let more = 0;
    const again = measureSharpness(states([0, 3]), given({ found: { path, record: gone }, poll: () => more++ }));
    expect(again.epochs).toEqual(gone.epochs);
    expect(more).toBe(0);
  });

  test("measures anew what is another state by now, and leaves other epochs be", () => {
    const before = measureSharpness(states([0, 3]), given({ only: ["flip"] }));
    const other = tinyPoint(hydra({ keepRatio: 0.4, scoreInit: "uniform" }), 5);
    const found = { path: "", record: before };
    const after = measureSharpness(states([3], other), given({ only: ["flip"], found }));
    expect(after.epochs[0]).toEqual(before.epochs[0]);
    expect(after.epochs[1]?.state).not.toBe(before.epochs[1]?.state);
  });

  test("with other settings is refused, with what is other and the cure", () => {
    const record = measureSharpness(states([0]), given({ only: ["ties"] }));
    const more = { found: { path: "sharpness.json", record }, options: { ...options, gamma: 0.1 } };
    expect(() => measureSharpness(states([0]), given(more))).toThrow(
      "sharpness.json: expected the settings that it was begun with, got others (gamma 0.01, now 0.1); name another file with --out, or remove it",
    );
  });

  test.each(["{", "[]", '{"format":2}'])("what is no record is refused: %s", (text) => {
    const path = join(folder, "wrong.json");
    writeFileSync(path, text);
    expect(() => readSharpness(path)).toThrow(/wrong.json: expected a record of sharpness.*remove it to measure again/);
    expect(readFileSync(path, "utf8")).toBe(text);
    expect(readSharpness(join(folder, "none.json"))).toBeUndefined();
  });
});
