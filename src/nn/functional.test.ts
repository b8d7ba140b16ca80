import { describe, expect, test } from "vitest";
import { manualSeed, ops, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { type BatchNormMode, batchNorm, conv2d, linear } from "./functional.js";
import type { ModelState } from "./params.js";

const [images, channels, side] = [4, 3, 5];

function normal(name: string, shape: readonly number[]): Tensor {
  manualSeed(rng(4, name));
  return ops.normal_(ops.empty(shape, { dtype: "float64" }));
}

function state(): ModelState {
  const positive = (name: string) => ops.add(ops.abs(normal(name, [channels])), 0.5);
  return {
    params: new Map([
      ["bn.weight", positive("weight")],
      ["bn.bias", normal("bias", [channels])],
    ]),
    buffers: new Map([
      ["bn.running_mean", normal("mean", [channels])],
      ["bn.running_var", positive("var")],
      ["bn.num_batches_tracked", ops.zeros([], { dtype: "int64" })],
    ]),
  };
}

const x = ops.add(ops.mul(normal("x", [images, channels, side, side]), 2), 0.7);

/** The numbers of one channel, and how many images and pixels they are. */
function ofChannel(t: Tensor, channel: number): number[] {
  return ops.contiguous(ops.select(t, 1, channel)).toNumbers();
}
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
const squares = (values: readonly number[]) => values.reduce((sum, value) => sum + (value - mean(values)) ** 2, 0);

const numbers = (params: ReadonlyMap<string, Tensor>, name: string) => params.get(`bn.${name}`)?.toNumbers() ?? [];
const buffers = (s: ModelState) => [...s.buffers].map(([name, t]) => [name, t.toNumbers()]);

/** (x - mean) / sqrt(var + eps) * weight + bias, channel by channel. */
function expectNormalised(found: Tensor, s: ModelState, statistics: (channel: number) => [number, number], eps = 1e-5) {
  for (let channel = 0; channel < channels; channel++) {
    const [m, v] = statistics(channel);
    const [w, b] = [numbers(s.params, "weight")[channel] as number, numbers(s.params, "bias")[channel] as number];
    const wanted = ofChannel(x, channel).map((value) => ((value - m) / Math.sqrt(v + eps)) * w + b);
    for (const [i, value] of ofChannel(found, channel).entries()) expect(value).toBeCloseTo(wanted[i] as number, 12);
  }
}

const ofBatch = (channel: number): [number, number] => {
  const values = ofChannel(x, channel);
  return [mean(values), squares(values) / values.length];
};

describe("batch norm", () => {
  test("`running` normalises by the running statistics and moves nothing", () => {
    const s = state();
    const before = buffers(s);
    const [means, variances] = [numbers(s.buffers, "running_mean"), numbers(s.buffers, "running_var")];
    expectNormalised(batchNorm(s, "bn", x, "running"), s, (c) => [means[c] as number, variances[c] as number]);
    expect(buffers(s)).toEqual(before);
  });

  test("`batch` normalises by the batch (biased variance) and moves nothing", () => {
    const s = state();
    const before = buffers(s);
    expectNormalised(batchNorm(s, "bn", x, "batch"), s, ofBatch);
    expect(buffers(s)).toEqual(before);
  });

  test("`update` gives the numbers of `batch` and moves the statistics by a tenth (unbiased variance)", () => {
    const s = state();
    const [means, variances] = [numbers(s.buffers, "running_mean"), numbers(s.buffers, "running_var")];
    const found = batchNorm(s, "bn", x, "update");
    expect(found.toNumbers()).toEqual(batchNorm(s, "bn", x, "batch").toNumbers());
    for (let c = 0; c < channels; c++) {
      const values = ofChannel(x, c);
      const unbiased = squares(values) / (values.length - 1);
      expect(numbers(s.buffers, "running_mean")[c]).toBeCloseTo(0.9 * (means[c] as number) + 0.1 * mean(values), 12);
      expect(numbers(s.buffers, "running_var")[c]).toBeCloseTo(0.9 * (variances[c] as number) + 0.1 * unbiased, 12);
    }
    expect(numbers(s.buffers, "num_batches_tracked")).toEqual([1]);
  });

  test("takes its eps, and does without weight and bias", () => {
    const { buffers: kept } = state();
    const ones = new Map([
      ["bn.weight", ops.ones([channels])],
      ["bn.bias", ops.zeros([channels])],
    ]);
    const found = batchNorm({ params: new Map(), buffers: kept }, "bn", x, "batch", { eps: 0.5 });
    expectNormalised(found, { params: ones, buffers: kept }, ofBatch, 0.5);
  });

  test.each<BatchNormMode>(["running", "update"])("`%s` needs running statistics", (mode) => {
    const { params } = state();
    expect(() => batchNorm({ params, buffers: new Map() }, "bn", x, mode)).toThrow("bn.running_mean");
  });
});

describe("layers", () => {
  test("a convolution is the sum over its window, with stride, padding and bias", () => {
    const weight = normal("conv", [2, channels, 3, 3]);
    const bias = tensor(new Float64Array([0.25, -1]));
    const params = new Map([
      ["c.weight", weight],
      ["c.bias", bias],
    ]);
    const found = conv2d({ params, buffers: new Map() }, "c", x, { stride: 2, padding: 1 });
    expect(found.shape).toEqual([images, 2, 3, 3]);
    const [pixels, w] = [x.toNumbers(), weight.toNumbers()];
    const pixel = (n: number, c: number, i: number, j: number) =>
      i < 0 || j < 0 || i >= side || j >= side ? 0 : (pixels[((n * channels + c) * side + i) * side + j] as number);
    const at = (n: number, out: number, i: number, j: number) => {
      let sum = [0.25, -1][out] as number;
      for (let c = 0; c < channels; c++)
        for (let di = 0; di < 3; di++)
          for (let dj = 0; dj < 3; dj++)
            sum +=
              pixel(n, c, 2 * i + di - 1, 2 * j + dj - 1) * (w[((out * channels + c) * 3 + di) * 3 + dj] as number);
      return sum;
    };
    const numbersFound = found.toNumbers();
    for (const [n, out, i, j] of [
      [0, 0, 0, 0],
      [1, 1, 2, 1],
      [3, 0, 1, 2],
      [2, 1, 1, 1],
    ] as const) {
      expect(numbersFound[((n * 2 + out) * 3 + i) * 3 + j]).toBeCloseTo(at(n, out, i, j), 12);
    }
  });

  test("a linear layer multiplies by the transposed weight, with a bias where there is one", () => {
    const weight = tensor(new Float64Array([1, 2, 3, 4, 5, 6]), [2, 3]);
    const input = tensor(new Float64Array([1, 0, -1]), [1, 3]);
    const without = new Map([["l.weight", weight]]);
    const withBias = new Map([...without, ["l.bias", tensor(new Float64Array([10, 20]))]] as const);
    expect(linear({ params: without, buffers: new Map() }, "l", input).toNumbers()).toEqual([-2, -2]);
    expect(linear({ params: withBias, buffers: new Map() }, "l", input).toNumbers()).toEqual([8, 18]);
  });

  test("a missing weight is an error that names it", () => {
    expect(() => linear({ params: new Map(), buffers: new Map() }, "head", x)).toThrow("expected 'head.weight'");
  });
});
