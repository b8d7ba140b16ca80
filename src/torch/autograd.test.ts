import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rng, TorchError, UseAfterFreeError } from "../util/index.js";
import {
  autocast,
  enableGrad,
  grad,
  liveTensors,
  manualSeed,
  noGrad,
  ops,
  scope,
  type Tensor,
  tensor,
} from "./index.js";

let before = 0;
beforeEach(() => {
  before = liveTensors();
});
afterEach(() => {
  expect(liveTensors()).toBe(before);
  // Whatever a test did, including throw, the thread records graphs again and computes in float32.
  scope(() => {
    expect(ops.neg(tensor([1]).setRequiresGrad(true)).requiresGrad).toBe(true);
    expect(ops.matmul(ops.ones([2, 2]), ops.ones([2, 2])).dtype).toBe("float32");
  });
});

const leaf = (data: readonly number[], shape?: readonly number[]) =>
  tensor(data, shape, { dtype: "float64" }).setRequiresGrad(true);
const only = (tensors: readonly Tensor[]) => tensors[0] as Tensor;

describe("grad", () => {
  test("differentiates with respect to the inputs asked for, in their order", () => {
    scope(() => {
      const [a, b, c] = [leaf([2]), leaf([3]), leaf([5])];
      const product = ops.sum(ops.mul(ops.mul(a, b), c));
      expect(grad(product, [c, a]).map((g) => g.item())).toEqual([6, 15]);
    });
  });

  test("takes cotangents, many outputs, and adds up what reaches an input twice", () => {
    scope(() => {
      const a = leaf([1, 2]);
      const outputs = [ops.mul(a, 3), ops.mul(a, a)];
      const gradOutputs = [tensor([1, 10], [2], { dtype: "float64" }), tensor([1, 1], [2], { dtype: "float64" })];
      expect(only(grad(outputs, [a], { gradOutputs })).toNumbers()).toEqual([5, 34]);
    });
  });

  test("does not need leaves: any tensor of the graph is an input", () => {
    scope(() => {
      const a = leaf([2]);
      const middle = ops.mul(a, 3);
      expect(only(grad(ops.sum(ops.mul(middle, middle)), [middle])).item()).toBe(12);
    });
  });

  test("leaves values and inputs as they are", () => {
    scope(() => {
      const a = leaf([2]);
      grad(ops.sum(ops.exp(a)), [a]);
      expect(a.item()).toBe(2);
      expect(a.requiresGrad).toBe(true);
    });
  });

  test.each<[string, (a: Tensor) => unknown, RegExp]>([
    ["an input that was not used", (a) => grad(ops.sum(a), [leaf([1])]), /not have been used/],
    ["an input without requiresGrad", (a) => grad(ops.sum(a), [tensor([1])]), /does not require grad/],
    ["an output without a graph", (a) => grad(ops.sum(tensor([1])), [a]), /does not require grad/],
    [
      "an output made in noGrad",
      (a) =>
        grad(
          noGrad(() => ops.sum(a)),
          [a],
        ),
      /does not require grad/,
    ],
    ["an output that is no scalar", (a) => grad(ops.mul(a, 2), [a]), /only for scalar/],
    [
      "a cotangent of another shape",
      (a) => grad(ops.mul(a, 2), [a], { gradOutputs: [ops.ones([3])] }),
      /invalid gradient/,
    ],
    [
      "too many cotangents",
      (a) => grad(ops.sum(a), [a], { gradOutputs: [ops.ones([]), ops.ones([])] }),
      /1 tensors and 2/,
    ],
    ["no inputs", (a) => grad(ops.sum(a), []), /non-empty inputs/],
    ["no outputs", (a) => grad([], [a]), /not have been used/],
    ["the same graph twice", (a) => [ops.sum(ops.exp(a))].map((y) => [grad(y, [a]), grad(y, [a])]), /second time/],
    [
      "a value changed since",
      (a) => {
        const b = ops.exp(a);
        const y = ops.sum(ops.mul(b, b));
        noGrad(() => ops.add_(b, 1));
        grad(y, [a]);
      },
      /modified by an inplace operation/,
    ],
  ])("%s is an error that names grad", (_, run, message) => {
    scope(() => {
      const caught = errorOf(() => run(leaf([1, 2])));
      expect(caught).toBeInstanceOf(TorchError);
      expect((caught as TorchError).operator).toBe("grad");
      expect(caught.message).toMatch(message);
    });
  });

  test("an input that was freed is a use after free", () => {
    scope(() => {
      const a = leaf([1]);
      const y = ops.sum(a);
      a.dispose();
      expect(() => grad(y, [a])).toThrow(UseAfterFreeError);
    });
  });

  test("retainGraph lets the graph be used again", () => {
    scope(() => {
      const a = leaf([2]);
      const y = ops.sum(ops.mul(a, a));
      expect([grad(y, [a], { retainGraph: true }), grad(y, [a])].map((g) => only(g).item())).toEqual([4, 4]);
    });
  });
});

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("expected an error");
}

describe("double backward", () => {
  const net = (x: Tensor, w: Tensor) => {
    const h = ops.conv2d(x, w, { padding: 1 });
    return ops.sum(ops.mul(ops.logSoftmax(ops.tanh(h), 1), ops.exp(ops.mul(h, 0.1))));
  };

  test("a Hessian-vector product agrees with differences of gradients in float64", () => {
    scope(() => {
      manualSeed(rng(1, "hvp"));
      const draw = (shape: number[]) => ops.normal_(ops.empty(shape, { dtype: "float64" }));
      const [x, start, v] = [draw([2, 3, 5, 5]), draw([4, 3, 3, 3]), draw([4, 3, 3, 3])];
      const gradientAt = (w: Tensor) => only(grad(net(x, w), [w]));
      const w = ops.clone(start).setRequiresGrad(true);
      const first = only(grad(net(x, w), [w], { createGraph: true }));
      const product = only(grad(ops.sum(ops.mul(first, v)), [w]));
      const step = 1e-5;
      const moved = (by: number) => ops.add(start, v, { alpha: by }).setRequiresGrad(true);
      const difference = ops.div(ops.sub(gradientAt(moved(step)), gradientAt(moved(-step))), 2 * step);
      const error = ops.vectorNorm(ops.sub(product, difference)).item() / ops.vectorNorm(difference).item();
      expect(error).toBeLessThan(1e-8);
      expect(ops.vectorNorm(product).item()).toBeGreaterThan(1);
    });
  });

  test("without createGraph the gradient has no graph", () => {
    scope(() => {
      const a = leaf([2]);
      const y = ops.sum(ops.pow(a, 3));
      expect(only(grad(y, [a], { retainGraph: true })).requiresGrad).toBe(false);
      const first = only(grad(y, [a], { createGraph: true }));
      expect(only(grad(first, [a], { createGraph: true })).item()).toBe(12);
    });
  });
});

describe("noGrad", () => {
  test("records nothing, and enableGrad records inside it", () => {
    scope(() => {
      const a = leaf([1]);
      noGrad(() => {
        expect(ops.mul(a, 2).requiresGrad).toBe(false);
        enableGrad(() => expect(ops.mul(a, 2).requiresGrad).toBe(true));
        expect(ops.mul(a, 2).requiresGrad).toBe(false);
      });
      expect(ops.mul(a, 2).requiresGrad).toBe(true);
    });
  });

  test("the mode is what it was after an exception, ours or libtorch's", () => {
    scope(() => {
      expect(() => noGrad(() => ops.mm(ops.ones([1, 2]), ops.ones([1, 2])))).toThrow(TorchError);
      expect(() =>
        noGrad(() => {
          enableGrad(() => {
            throw new Error("on purpose");
          });
        }),
      ).toThrow("on purpose");
      expect(ops.mul(leaf([1]), 2).requiresGrad).toBe(true);
    });
  });

  test("a leaf may be written in place inside it, not outside", () => {
    scope(() => {
      const a = leaf([1]);
      expect(() => ops.add_(a, 1)).toThrow(TorchError);
      noGrad(() => ops.add_(a, 1));
      expect(a.item()).toBe(2);
    });
  });
});

describe("bfloat16 autocast", () => {
  const weights = (value: number) => ops.full([4, 3, 3, 3], { float: value });
  const run = (w: Tensor) => autocast("bfloat16", () => ops.conv2d(ops.ones([1, 3, 4, 4]), w, { padding: 1 }));
  const peak = (w: Tensor) => ops.amax(ops.to(run(w), "float32")).item();

  test("computes convolutions and products in bfloat16, the rest as it comes", () => {
    scope(() => {
      autocast("bfloat16", () => {
        expect(ops.conv2d(ops.ones([1, 3, 4, 4]), weights(1)).dtype).toBe("bfloat16");
        expect(ops.linear(ops.ones([2, 3]), ops.ones([4, 3])).dtype).toBe("bfloat16");
        expect(ops.add(ops.ones([1]), 1).dtype).toBe("float32");
      });
      expect(autocast("float32", () => ops.linear(ops.ones([2, 3]), ops.ones([4, 3]))).dtype).toBe("float32");
    });
  });

  test("gradients of float32 leaves are float32", () => {
    scope(() => {
      const w = weights(1).setRequiresGrad(true);
      expect(only(grad(ops.sum(run(w)), [w])).dtype).toBe("float32");
    });
  });

  test("is off again after an exception", () => {
    scope(() => {
      expect(() =>
        autocast("bfloat16", () => {
          throw new Error("on purpose");
        }),
      ).toThrow("on purpose");
      expect(ops.linear(ops.ones([2, 3]), ops.ones([4, 3])).dtype).toBe("float32");
    });
  });

  test("inside another stays on until the outer one ends", () => {
    scope(() => {
      autocast("bfloat16", () => {
        autocast("bfloat16", () => ops.ones([1]));
        expect(ops.linear(ops.ones([2, 3]), ops.ones([4, 3])).dtype).toBe("bfloat16");
      });
    });
  });

  test("two masks in one scope give different logits", () => {
    scope(() => {
      const w = weights(1);
      const masked = (value: number) => ops.mul(w, ops.full([4, 3, 3, 3], value)).setRequiresGrad(true);
      const [first, second] = [masked(1), masked(0.5)];
      expect([peak(first), peak(second)]).toEqual([27, 13.5]);
      autocast("bfloat16", () => {
        const through = (mask: Tensor) => ops.conv2d(ops.ones([1, 3, 4, 4]), mask, { padding: 1 });
        const [a, b] = [through(first), through(second)];
        expect(ops.equal(a, b)).toBe(false);
      });
    });
  });

  test("a leaf refilled in place between two calls is read anew", () => {
    scope(() => {
      const w = weights(1).setRequiresGrad(true);
      expect(peak(w)).toBe(27);
      noGrad(() => ops.fill_(w, 2));
      expect(peak(w)).toBe(54);
    });
  });

  test("a refill inside an outer autocast is read by the inner one", () => {
    scope(() => {
      const w = weights(1).setRequiresGrad(true);
      autocast("bfloat16", () => {
        expect(peak(w)).toBe(27);
        noGrad(() => ops.fill_(w, 2));
        expect(peak(w)).toBe(54);
      });
    });
  });
});
