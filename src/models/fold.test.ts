import { expect, test } from "vitest";
import { exercised } from "../../test/support/exercised.js";
import { type ModelState, mapParams } from "../nn/index.js";
import { enableGrad, grad, noGrad, ops, present, scope, type Tensor } from "../torch/index.js";
import { describedModel } from "./described.js";
import { folded } from "./fold.js";
import { type Model, withState } from "./model.js";
import { resnet18 } from "./resnet.js";

const images = (model: Model, count = 3) => ops.uniform_(ops.empty([count, ...model.inputShape], { dtype: "float64" }));

/** Logits, and the gradient of their weighted sum with respect to the images. */
function answers(model: Model, state: ModelState, x: Tensor): { logits: Tensor; gradient: Tensor } {
  return enableGrad(() => {
    const leaf = ops.detach(x).setRequiresGrad(true);
    const logits = model.forward(state, leaf, { batchNorm: "running" });
    const weights = ops.to(ops.arange(1, logits.numel + 1), logits.dtype);
    const sum = ops.sum(ops.mul(ops.flatten(logits), weights));
    return { logits: ops.detach(logits), gradient: present(grad(sum, [leaf])[0], "gradient") };
  });
}

const furthest = (a: Tensor, b: Tensor) => ops.amax(ops.abs(ops.sub(a, b))).item();
const largest = (a: Tensor) => ops.amax(ops.abs(a)).item();

function expectSame(model: Model, state: ModelState, x: Tensor, tolerance: number): void {
  const [before, after] = [answers(model, model, x), answers(model, state, x)];
  expect(furthest(after.logits, before.logits) / largest(before.logits)).toBeLessThan(tolerance);
  expect(furthest(after.gradient, before.gradient) / largest(before.gradient)).toBeLessThan(tolerance);
}

test("a ResNet18 of width 16 with its norms folded is the same function, to 1e-10 in float64", () => {
  scope(() => {
    const model = exercised(resnet18({ width: 16 }));
    const state = folded(model);
    expect(state.folded?.size).toBe(20);
    expect([...state.buffers.keys()]).toEqual([]);
    expectSame(model, state, images(model), 1e-10);
  });
});

test("convolutions compute in bfloat16, what follows pooling in float32", () => {
  scope(() => {
    const double = exercised(resnet18({ width: 8 }));
    const single = (values: ModelState["params"]) => mapParams(values, (value) => ops.to(value, "float32"));
    const model = withState(double, { params: single(double.params), buffers: single(double.buffers) });
    const state = folded(model, { precision: "bfloat16" });
    expect(state.params.get("layer1.0.conv1.weight")?.dtype).toBe("bfloat16");
    const x = ops.to(images(model, 8), "float32");
    const logits = noGrad(() => model.forward(state, x, { batchNorm: "running" }));
    expect(logits.dtype).toBe("float32");
    const bits = new Uint32Array((logits.toArray() as Float32Array).buffer);
    // In bfloat16, the lower half of each number's bits would be zero.
    expect(bits.filter((word) => (word & 0xffff) !== 0).length).toBeGreaterThan(bits.length / 2);
    const exact = noGrad(() => model.forward(model, x, { batchNorm: "running" }));
    expect(furthest(logits, exact) / largest(exact)).toBeLessThan(0.05);
  });
});

test("a folded state refuses batch statistics, and any other state still needs its own", () => {
  scope(() => {
    const model = resnet18({ width: 4 });
    const state = folded(model);
    const x = ops.to(images(model), "float32");
    expect(() => model.forward(state, x, { batchNorm: "batch" })).toThrow(/running statistics where 'bn1' is folded/);
    const bare = { params: state.params, buffers: state.buffers };
    expect(() => model.forward(bare, x, { batchNorm: "running" })).toThrow("params: expected 'bn1.running_mean'");
  });
});

test("dead channels between two convolutions are cut out, with the values and gradients of before", () => {
  scope(() => {
    const model = exercised(resnet18({ width: 8 }));
    const conv = "layer1.0.conv1.weight";
    const zero = (name: string, dim: number, channel: number) =>
      ops.zero_(ops.select(present(model.params.get(name), name), dim, channel));
    const shift = (channel: number, to: number) => {
      for (const [map, name, value] of [
        [model.params, "layer1.0.bn1.bias", to],
        [model.buffers, "layer1.0.bn1.running_mean", 0],
      ] as const)
        ops.fill_(ops.select(present(map.get(name), name), 0, channel), { float: value });
    };
    for (const channel of [1, 2, 3]) zero(conv, 0, channel);
    shift(1, -0.5); // zero after the ReLU
    shift(2, 0); // zero too
    shift(3, 0.5); // 0.5 within, but not where the next convolution pads: it must stay
    zero("layer1.0.conv2.weight", 1, 6); // read by nobody
    zero("layer2.0.conv2.weight", 0, 4); // of the residual stream: it must stay
    const state = folded(model);
    expect(state.params.get(conv)?.shape).toEqual([5, 8, 3, 3]);
    expect(state.params.get("layer1.0.conv2.weight")?.shape).toEqual([8, 5, 3, 3]);
    expect(state.params.get("layer2.0.conv2.weight")?.shape).toEqual([16, 16, 3, 3]);
    expectSame(model, state, images(model), 1e-10);
  });
});

test("a layer of dead channels only keeps one of them", () => {
  scope(() => {
    const model = exercised(resnet18({ width: 4 }));
    ops.zero_(present(model.params.get("layer1.0.conv2.weight"), "weight"));
    const state = folded(model);
    expect(state.params.get("layer1.0.conv1.weight")?.shape).toEqual([1, 4, 3, 3]);
    expectSame(model, state, images(model), 1e-10);
  });
});

const conv = (name: string) => ({ op: "conv2d", name, in: 2, out: 2, kernel: 3, padding: 1 });
const norm = (name: string) => ({ op: "batchnorm2d", name, channels: 2, eps: 1e-3 });
const tail = [{ op: "avgpool_global" }, { op: "linear", name: "fc", in: 2, out: 2 }];

/** A described network of two channels; tensors are random. */
function small(ops_: readonly object[]): Model {
  const shapes = new Map<string, readonly number[]>([["fc.weight", [2, 2]]]);
  for (const step of [...ops_, ...tail] as { op: string; name: string }[]) {
    if (step.op === "conv2d") shapes.set(`${step.name}.weight`, [2, 2, 3, 3]);
    const vectors = step.op === "batchnorm2d" ? ["weight", "bias", "running_mean", "running_var"] : ["bias"];
    if ("name" in step) for (const end of vectors) shapes.set(`${step.name}.${end}`, [2]);
  }
  const tensors = new Map(Array.from(shapes, ([name, shape]) => [name, ops.normal_(ops.empty(shape))]));
  return exercised(describedModel({ input: [2, 6, 6], classes: 2, ops: [...ops_, ...tail] }, tensors));
}

test.each([
  { what: "with a bias before the norm", steps: [conv("a"), norm("n"), { op: "relu" }], norms: ["a"], hidden: [] },
  {
    what: "where the norm and max-pooling stand between two convolutions",
    steps: [conv("a"), norm("n"), { op: "relu" }, { op: "maxpool2d", kernel: 2, stride: 2 }, conv("b")],
    norms: ["a"],
    hidden: ["a"],
  },
  {
    what: "where something else reads the convolution's output",
    steps: [conv("a"), { op: "store", id: "s" }, norm("n"), { op: "relu" }, { op: "add", id: "s" }],
    norms: [],
    hidden: [],
  },
  {
    what: "where something else reads the rectified output",
    steps: [conv("a"), norm("n"), { op: "relu" }, { op: "store", id: "s" }, conv("b"), { op: "add", id: "s" }],
    norms: ["a"],
    hidden: [],
  },
  {
    what: "where a convolution serves twice",
    steps: [conv("a"), norm("n"), { op: "relu" }, conv("a"), { op: "relu" }],
    norms: [],
    hidden: [],
  },
])("a described network $what", ({ steps, norms, hidden }) => {
  scope(() => {
    const model = small(steps);
    expect([...(model.shortcuts?.norms.keys() ?? [])]).toEqual(norms);
    expect([...(model.shortcuts?.hidden.keys() ?? [])]).toEqual(hidden);
    if (hidden.length > 0) ops.zero_(ops.select(present(model.params.get("b.weight"), "b"), 1, 0));
    const state = folded(model);
    expect(state.params.get("a.weight")?.shape[0]).toBe(hidden.length > 0 ? 1 : 2);
    expectSame(model, state, images(model), 1e-10);
  });
});

test("operations in place leave what was stored", () => {
  scope(() => {
    const model = small([conv("a"), { op: "store", id: "s" }, { op: "relu" }, { op: "add", id: "s" }]);
    const x = images(model);
    const a = ops.conv2d(x, present(model.params.get("a.weight"), "a"), {
      bias: model.params.get("a.bias"),
      padding: 1,
    });
    const pooled = ops.meanDim(ops.add(ops.relu(a), a), [2, 3]);
    const expected = ops.linear(pooled, present(model.params.get("fc.weight"), "fc"), {
      bias: model.params.get("fc.bias"),
    });
    expect(furthest(model.forward(model, x, { batchNorm: "running" }), expected)).toBeLessThan(1e-12);
  });
});
