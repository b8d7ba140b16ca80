import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UsageError, UseAfterFreeError } from "../util/index.js";
import { keep, liveBytes, liveTensors, noGrad, ops, scope, Tensor, tensor } from "./index.js";

let before = 0;
beforeEach(() => {
  before = liveTensors();
});
afterEach(() => {
  expect(liveTensors()).toBe(before);
});

describe("a scope", () => {
  test("frees what was made inside and not returned", () => {
    let lost: Tensor | undefined;
    const kept = scope(() => {
      lost = tensor([1]);
      const result = ops.add(lost, 1);
      expect(liveTensors()).toBe(before + 2);
      return result;
    });
    expect(liveTensors()).toBe(before + 1);
    expect(lost?.isDisposed).toBe(true);
    expect(() => ops.neg(lost as Tensor)).toThrow(UseAfterFreeError);
    expect(kept.item()).toBe(2);
    kept.dispose();
  });

  test.each<[string, (t: () => Tensor) => unknown]>([
    ["an array", (t) => [t(), t()]],
    [
      "a map",
      (t) =>
        new Map([
          ["a", t()],
          ["b", t()],
        ]),
    ],
    ["a set", (t) => new Set([t(), t()])],
    ["a record", (t) => ({ a: t(), b: { c: t() } })],
    ["a record without a prototype", (t) => Object.assign(Object.create(null), { a: t(), b: t() })],
    ["all of them nested", (t) => [new Map([["a", { b: [t()] }]]), new Set([[t()]])]],
    ["the same tensor twice", (t) => [t(), t()].flatMap((one) => [one, one])],
  ])("lets tensors out in %s", (_, wrap) => {
    const made: Tensor[] = [];
    const one = () => {
      const fresh = tensor([made.length]);
      made.push(fresh);
      return fresh;
    };
    scope(() => {
      scope(() => {
        const result = wrap(one);
        tensor([9]);
        return result;
      });
      expect(made.map((t) => t.item())).toEqual([0, 1]);
      expect(liveTensors()).toBe(before + 2);
    });
    expect(made.map((t) => t.isDisposed)).toEqual([true, true]);
  });

  test("passes anything else through", () => {
    class Holder {
      inside = tensor([1]);
    }
    expect(scope(() => 7)).toBe(7);
    expect(scope(() => undefined)).toBeUndefined();
    expect(scope(() => null)).toBeNull();
    const data = scope(() => tensor([1, 2]).toArray());
    expect(data).toEqual(Float32Array.of(1, 2));
    // An object with a class of its own is not looked into: it manages its tensors itself.
    expect(scope(() => new Holder()).inside.isDisposed).toBe(true);
  });

  test("moves a result outwards one scope at a time", () => {
    let result: Tensor | undefined;
    scope(() => {
      result = scope(() => scope(() => tensor([4])));
      expect(result.item()).toBe(4);
    });
    expect(result?.isDisposed).toBe(true);
  });

  test("frees everything when an exception leaves it, and leaves the outer scope in order", () => {
    scope(() => {
      const outer = tensor([1]);
      expect(() =>
        scope(() => {
          tensor([2]);
          keep(tensor([3]));
          throw new Error("on purpose");
        }),
      ).toThrow("on purpose");
      expect(liveTensors()).toBe(before + 2);
      expect(outer.item()).toBe(1);
    });
  });

  test("refuses a Promise and frees what was made before it", () => {
    const asynchronous = () =>
      scope(async () => {
        tensor([1]);
        return 1;
      });
    expect(asynchronous).toThrow(UsageError);
    expect(asynchronous).toThrow("scope: expected a synchronous function, got one that returns a Promise");
  });

  test("does not mind tensors disposed by hand inside it", () => {
    scope(() => {
      const early = tensor([1]);
      early.dispose();
      expect(liveTensors()).toBe(before);
    });
  });

  test("does not touch what was made outside", () => {
    using outside = tensor([1]);
    const same = scope(() => ops.add_(outside, 1));
    expect(same).toBe(outside);
    expect(outside.item()).toBe(2);
  });

  test("works the same inside noGrad", () => {
    using result = noGrad(() => scope(() => ops.add(tensor([1]), 1)));
    expect(liveTensors()).toBe(before + 1);
    expect(result.requiresGrad).toBe(false);
  });
});

describe("keep", () => {
  test("moves to the enclosing scope, once", () => {
    let kept: Tensor | undefined;
    scope(() => {
      scope(() => {
        kept = keep(tensor([5]));
        tensor([6]);
      });
      expect(kept?.item()).toBe(5);
      expect(liveTensors()).toBe(before + 1);
    });
    expect(kept?.isDisposed).toBe(true);
  });

  test("in the outermost scope gives the tensor to its owner", () => {
    const kept = scope(() => {
      const inner = keep(tensor([5]));
      return [inner];
    });
    expect(kept[0]?.item()).toBe(5);
    kept[0]?.dispose();
  });

  test("forever leaves all scopes, from any depth, in any container", () => {
    const kept: Tensor[] = [];
    scope(() => {
      const outer = tensor([1]);
      scope(() => {
        const all = new Map([["a", tensor([2])]]);
        expect(keep(all, { forever: true })).toBe(all);
        kept.push(...all.values(), keep(outer, { forever: true }));
      });
    });
    expect(kept.map((t) => t.item())).toEqual([2, 1]);
    expect(liveTensors()).toBe(before + 2);
    for (const t of kept) t.dispose();
  });

  test("does nothing to a tensor that no scope owns", () => {
    using own = tensor([1]);
    scope(() => void keep(own));
    expect(own.item()).toBe(1);
  });
});

describe("counting", () => {
  test("tensors, whoever owns them", () => {
    const own = tensor([1]);
    expect(liveTensors()).toBe(before + 1);
    scope(() => {
      ops.split(tensor([1, 2, 3]), 1);
      expect(liveTensors()).toBe(before + 5);
    });
    own.dispose();
  });

  test("bytes, shared memory once", () => {
    const bytes = liveBytes();
    scope(() => {
      const whole = ops.zeros([10, 10]);
      expect(liveBytes() - bytes).toBe(400);
      ops.select(whole, 0, 1);
      ops.detach(whole);
      ops.expand(ops.zeros([1]), [1000]);
      expect(liveBytes() - bytes).toBe(404);
      ops.to(whole, "float64");
      expect(liveBytes() - bytes).toBe(1204);
    });
    expect(liveBytes()).toBe(bytes);
  });

  test("a tensor from another class of numbers is no tensor", () => {
    expect(() => ops.neg({ handle: 1, isDisposed: false } as unknown as Tensor)).toThrow(UsageError);
    expect(() => new Tensor(12345.5).item()).toThrow(UseAfterFreeError);
  });
});
