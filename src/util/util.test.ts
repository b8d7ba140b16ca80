import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DataError,
  evenly,
  exitCode,
  expected,
  nearest,
  ratio,
  registry,
  S2apError,
  ShapeError,
  show,
  TorchError,
  UsageError,
  unknownName,
} from "./index.js";

test("positions evenly spread have the first and the last, and are all where there are few", () => {
  expect([evenly(0, 5), evenly(1, 5), evenly(4, 5), evenly(5, 1)]).toEqual([[], [0], [0, 1, 2, 3], [0]]);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 500 }), fc.integer({ min: 2, max: 60 }), (length, most) => {
      const found = evenly(length, most);
      expect([found.length, found[0], found.at(-1)]).toEqual([Math.min(length, most), 0, length - 1]);
      const steps = found.slice(1).map((at, i) => at - (found[i] as number));
      expect(Math.max(...steps) - Math.min(...steps)).toBeLessThanOrEqual(1);
    }),
  );
});

describe("errors", () => {
  test("carry a name, a stable code and an exit code", () => {
    const torch = new TorchError("aten::mm", "size mismatch");
    expect([torch.name, torch.code, torch.operator, torch.message]).toEqual([
      "TorchError",
      "torch",
      "aten::mm",
      "aten::mm: size mismatch",
    ]);
    expect(new DataError("x", { code: "data/hash" }).code).toBe("data/hash");
    expect(new UsageError("x")).toBeInstanceOf(S2apError);
    expect([new UsageError("x"), new DataError("x"), new ShapeError("x"), new Error("x"), "x"].map(exitCode)).toEqual([
      2, 3, 1, 1, 1,
    ]);
  });

  test("have one form and show the value", () => {
    expect(expected("hydra", "keepRatio in (0, 1]", 1.5)).toBe("hydra: expected keepRatio in (0, 1], got 1.5");
    expect(expected("pgd", "steps to be a number", "ten")).toBe('pgd: expected steps to be a number, got "ten"');
    expect(show(undefined)).toBe("nothing");
    expect(show(Number.NaN)).toBe("NaN");
    expect(show(12n)).toBe("12n");
    expect(show(new Float32Array(3))).toBe("Float32Array of 12 bytes");
    const cyclic: { self?: unknown } = {};
    cyclic.self = cyclic;
    expect(show(cyclic)).toBe("[object Object]");
  });

  test("show never takes more than 120 characters", () => {
    fc.assert(fc.property(fc.anything(), (value) => show(value).length <= 120 || typeof value !== "object"));
    expect(show("x".repeat(500))).toHaveLength(120);
  });
});

describe("nearest", () => {
  const known = ["keepRatio", "momentum", "weightDecay", "hydra", "magnitude"];

  test.each([
    ["keepRation", "keepRatio"],
    ["keep_ratio", "keepRatio"],
    ["KeepRatio", "keepRatio"],
    ["mometnum", "momentum"],
    ["weight-decay", "weightDecay"],
    ["hyrda", "hydra"],
    ["mag", "magnitude"],
    ["xyzzy", undefined],
    ["", undefined],
  ])("%s means %s", (typed, meant) => {
    expect(nearest(typed, known)).toBe(meant);
  });

  test("a known name is nearest to itself", () => {
    fc.assert(fc.property(fc.constantFrom(...known), (name) => nearest(name, known) === name));
  });

  test("an unknown name lists the known ones", () => {
    const error = unknownName("recipe", "method", "hidra", ["hydra", "magnitude"]);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toBe('recipe: expected a known method (hydra, magnitude; nearest: hydra), got "hidra"');
    expect(unknownName("recipe", "method", "x", []).message).toContain("there are none");
  });
});

describe("ratio", () => {
  test.each([
    ["8/255", 8 / 255],
    [" 8 / 255 ", 8 / 255],
    ["0.031", 0.031],
    ["0.0310", 0.031],
    ["1e-3", 1e-3],
    [".5", 0.5],
    ["0", 0],
    [0.031, 0.031],
    [1e-7, 1e-7],
  ])("%j is read and kept as written", (written, value) => {
    expect(ratio(written)).toEqual({ text: String(written), value });
  });

  test.each(["", "8/", "/255", "1/0", "0/0", "-1", "8/-255", "1e999", "eight", "0x10", "8/255/2"])(
    "%j is refused",
    (written) => {
      expect(() => ratio(written, "pgd.eps")).toThrow(UsageError);
      expect(() => ratio(written, "pgd.eps")).toThrow(
        `pgd.eps: expected a ratio such as "8/255" or a decimal such as 0.031, got ${JSON.stringify(written)}`,
      );
    },
  );

  test("any text gives a finite non-negative value or our error", () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(..."0123456789./eE+- ") }));
    fc.assert(
      fc.property(text, (written) => {
        try {
          const { text: kept, value } = ratio(written);
          return kept === written && value >= 0 && Number.isFinite(value);
        } catch (error) {
          return error instanceof UsageError;
        }
      }),
    );
    expect(() => ratio(Number.NaN)).toThrow(UsageError);
    expect(() => ratio(-1)).toThrow(UsageError);
  });
});

describe("registry", () => {
  test("gives rows by name, in order, and refuses duplicates and unknown names", () => {
    const attacks = registry<number>("attack", { fgsm: 1, pgd: 2 });
    attacks.register("mine", 3);
    expect(attacks.names()).toEqual(["fgsm", "pgd", "mine"]);
    expect(attacks.entries()).toEqual([
      ["fgsm", 1],
      ["pgd", 2],
      ["mine", 3],
    ]);
    expect(attacks.get("pgd")).toBe(2);
    expect(() => attacks.register("pgd", 4)).toThrow('register: expected a new attack name, got "pgd"');
    expect(attacks.get("pgd")).toBe(2);
    expect(() => attacks.get("pdg", "eval")).toThrow(
      'eval: expected a known attack (fgsm, pgd, mine; nearest: pgd), got "pdg"',
    );
    expect(() => attacks.get("toString")).toThrow(UsageError);
  });
});
