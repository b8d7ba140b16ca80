import { describe, expect, test } from "vitest";
import { exercised } from "../../test/support/exercised.js";
import { freeModel } from "../../test/support/tiny.js";
import { crossEntropy, linf, pgd } from "../attacks/index.js";
import { param } from "../nn/index.js";
import { grad, noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { describedModel } from "./described.js";
import { folded } from "./fold.js";
import type { Model } from "./model.js";
import { bindNetwork } from "./network.js";
import { multiplications } from "./operations.js";
import { vitTi } from "./vit.js";

const tiny = { numClasses: 4, imageSize: 8, width: 8, depth: 1, heads: 2 } as const;

/** Runs `fn` in a scope with a model that is freed afterwards. */
function withModel(model: Model, fn: (model: Model) => void): void {
  scope(() => fn(model));
  freeModel(model);
}

test("is DeiT-Ti for ImageNet, of 5,717,416 parameters in patches of 16", () => {
  withModel(vitTi({ imageSize: 224, numClasses: 1000 }), (model) => {
    expect([...model.params.values()].reduce((sum, { numel }) => sum + numel, 0)).toBe(5_717_416);
    expect(model.params.get("patch_embed.proj.weight")?.shape).toEqual([192, 3, 16, 16]);
    expect(model.spec).toMatchObject({ arch: "vit_ti", patch: 16, width: 192, depth: 12, heads: 3 });
  });
});

test("begins as DeiT: N(0, 0.02), no biases, a class token and positions before the layers", () => {
  withModel(vitTi({ depth: 1 }), ({ params }) => {
    expect([...params.keys()].slice(0, 3)).toEqual(["cls_token", "pos_embed", "patch_embed.proj.weight"]);
    const std = (name: string) => Math.sqrt(ops.mean(ops.mul(param(params, name), param(params, name))).item());
    for (const name of ["pos_embed", "blocks.0.attn.qkv.weight", "blocks.0.mlp.fc2.weight", "head.weight"])
      expect(std(name), name).toBeCloseTo(0.02, 2.5);
    for (const name of ["blocks.0.attn.qkv.bias", "blocks.0.norm1.bias", "head.bias"]) expect(std(name)).toBe(0);
    expect(
      param(params, "blocks.0.norm1.weight")
        .toNumbers()
        .every((value) => value === 1),
    ).toBe(true);
  });
});

test.each([
  [{ imageSize: 30 }, "vit_ti: expected imageSize to be a multiple of patch (4), got 30"],
  [{ imageSize: 32, patch: 5 }, "vit_ti: expected imageSize to be a multiple of patch (5), got 32"],
  [{ width: 100 }, "vit_ti: expected width to be a multiple of heads (3), got 100"],
])("refuses %j", (options, message) => {
  expect(() => vitTi(options)).toThrow(message);
});

test("puts qkv, proj and mlp of all blocks in a group each; patches and head stand for themselves", () => {
  withModel(vitTi({ ...tiny, depth: 2 }), ({ groups, prunable }) => {
    expect(prunable.map((name) => groups?.get(name) ?? name)).toEqual([
      "patch_embed.proj.weight",
      ...["qkv", "proj", "mlp", "mlp"],
      ...["qkv", "proj", "mlp", "mlp"],
      "head.weight",
    ]);
  });
});

test("multiplies each weight once a token", () => {
  withModel(vitTi(tiny), (model) => {
    // 4 patches of 48 numbers, 5 tokens through the block's 12 * 8 * 8 weights, one through the head.
    expect(multiplications(model)).toBe(4 * 48 * 8 + 5 * 12 * 64 + 8 * 4);
  });
});

test("has a gradient that PGD follows: within eps, the loss rises on every image", () => {
  withModel(vitTi({ ...tiny, depth: 2 }), (model) => {
    const { victim } = bindNetwork(model, model);
    const x = ops.uniform_(ops.empty([6, 3, 8, 8]));
    const y = ops.argmax(victim.logits(x), { dim: 1 });
    const attack = pgd(linf({ eps: "8/255" }), { steps: 5, stepSize: "2/255" });
    const xAdv = attack.perturb(victim, x, y, { rng: rng(2) });
    expect(ops.amax(ops.abs(ops.sub(xAdv, x))).item()).toBeLessThanOrEqual(8 / 255 + 1e-6);
    const rise = ops.sub(crossEntropy(victim.logits(xAdv), y), crossEntropy(victim.logits(x), y));
    expect(ops.amin(rise).item()).toBeGreaterThan(0);
  });
});

test("can be described", () => {
  withModel(vitTi(tiny), (made) => {
    const model = exercised(made);
    const linear = (name: string, inputs: number, outputs: number) => ({
      op: "linear",
      name,
      in: inputs,
      out: outputs,
    });
    const norm = (name: string) => ({ op: "layernorm", name, size: 8, eps: 1e-6 });
    const residual = (id: string, ...body: object[]) => [{ op: "store", id }, ...body, { op: "add", id }];
    const [block, gelu, attention] = ["blocks.0", { op: "gelu" }, { op: "attention", heads: 2 }];
    const list = [
      { op: "conv2d", name: "patch_embed.proj", in: 3, out: 8, kernel: 4, stride: 4 },
      { op: "tokens", classToken: "cls_token", positions: "pos_embed", count: 5, size: 8 },
      ...residual(
        "a",
        norm(`${block}.norm1`),
        linear(`${block}.attn.qkv`, 8, 24),
        attention,
        linear(`${block}.attn.proj`, 8, 8),
      ),
      ...residual(
        "b",
        norm(`${block}.norm2`),
        linear(`${block}.mlp.fc1`, 8, 32),
        gelu,
        linear(`${block}.mlp.fc2`, 32, 8),
      ),
      { op: "first_token" },
      norm("norm"),
      linear("head", 8, 4),
    ];
    const described = describedModel({ input: [3, 8, 8], classes: 4, ops: list }, model.params, { dtype: "float64" });
    const x = ops.uniform_(ops.empty([2, 3, 8, 8], { dtype: "float64" }));
    const logits = (of: Model) => of.forward(of, x, { batchNorm: "running" }).toNumbers();
    expect(logits(described)).toEqual(logits(model));
    expect(described.prunable).toEqual(model.prunable);
    freeModel(described);
  });
});

describe("in bfloat16", () => {
  const close = (a: Tensor, b: Tensor, most: number) => {
    const difference = ops.vectorNorm(ops.sub(a, b)).item() / ops.vectorNorm(b).item();
    // Rounded, but not to nothing.
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(most);
  };

  test("has nearly the logits and gradients of float32, in training, for attacks and folded", () => {
    withModel(vitTi({ ...tiny, width: 32, depth: 3 }), (model) => {
      const x = ops.uniform_(ops.empty([4, 3, 8, 8]));
      const pass = (precision: "float32" | "bfloat16") => {
        const leaves = new Map(Array.from(model.params, ([name, t]) => [name, ops.detach(t).setRequiresGrad(true)]));
        const network = bindNetwork(model, { params: leaves, buffers: model.buffers }, { precision });
        const logits = network.forward("update")(x);
        const input = ops.detach(x).setRequiresGrad(true);
        const attacked = network.victim.logits(input);
        const gradients = grad(ops.sum(ops.mul(logits, logits)), [...leaves.values()]);
        const [inputGradient] = grad(ops.sum(ops.mul(attacked, attacked)), [input]);
        return { logits, attacked, gradients, inputGradient: inputGradient as Tensor };
      };
      const [wanted, got] = [pass("float32"), pass("bfloat16")];
      for (const key of ["logits", "attacked", "inputGradient"] as const) close(got[key], wanted[key], 0.03);
      got.gradients.forEach((g, i) => {
        expect(g.dtype).toBe("float32");
        expect(ops.all(ops.isfinite(g)).item()).toBe(1);
        close(g, wanted.gradients[i] as Tensor, 0.1);
      });
      const state = folded(model, { precision: "bfloat16" });
      close(
        noGrad(() => model.forward(state, x, { batchNorm: "running" })),
        wanted.logits,
        0.03,
      );
    });
  });
});
