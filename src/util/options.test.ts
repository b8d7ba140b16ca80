import { describe, expect, test } from "vitest";
import { z } from "zod";
import { checkOptions, parseOptions, ratioField, UsageError } from "./index.js";

const schema = z.strictObject({
  keepRatio: z.number().gt(0).lte(1),
  structure: z.enum(["weights", "filters"]).default("weights"),
  steps: z.int().gte(1).default(10),
  eps: ratioField().default("8/255"),
  momentum: z.number().gte(0).lt(1).optional(),
  layers: z.array(z.string()).min(1).optional(),
  schedule: z
    .discriminatedUnion("name", [
      z.strictObject({ name: z.literal("cosine"), cycles: z.number().positive().default(1) }),
      z.strictObject({ name: z.literal("constant") }),
    ])
    .optional(),
  rate: z.union([z.number(), z.strictObject({ from: z.number(), to: z.number() })]).optional(),
});
const good = { keepRatio: 0.1 };

function message(value: unknown): string {
  try {
    parseOptions("hydra", schema, value);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return "";
}

describe("parseOptions", () => {
  test("fills defaults and keeps ratios as text, so that parsing twice changes nothing", () => {
    const once = parseOptions("hydra", schema, { keepRatio: 0.1, eps: 0.5 });
    expect(once).toEqual({ keepRatio: 0.1, structure: "weights", steps: 10, eps: "0.5" });
    expect(parseOptions("hydra", schema, once)).toEqual(once);
  });

  test.each([
    [{ keepRatio: 1.5 }, "hydra: expected keepRatio in (0, 1], got 1.5"],
    [{ keepRatio: 0 }, "hydra: expected keepRatio in (0, 1], got 0"],
    [{ keepRatio: "x" }, 'hydra: expected keepRatio to be a number, got "x"'],
    [{}, "hydra: expected keepRatio to be a number, got nothing"],
    [undefined, "hydra: expected a map of options, got nothing"],
    [{ ...good, momentum: 1 }, "hydra: expected momentum in [0, 1), got 1"],
    [{ ...good, steps: 0 }, "hydra: expected steps >= 1, got 0"],
    [{ ...good, steps: 1.5 }, "hydra: expected steps to be a whole number, got 1.5"],
    [
      { ...good, structure: "filter" },
      'hydra: expected structure to be one of weights, filters (nearest: filters), got "filter"',
    ],
    [{ ...good, layers: [] }, "hydra: expected layers to have at least 1 item, got []"],
    [{ ...good, layers: [1] }, "hydra: expected layers[0] to be a string, got 1"],
    [
      { ...good, keepratio: 1 },
      'hydra: expected a known option (keepRatio, structure, steps, eps, momentum, layers, schedule, rate; nearest: keepRatio), got "keepratio"',
    ],
    [
      { ...good, schedule: { name: "cosin" } },
      'hydra: expected schedule.name to be one of cosine, constant (nearest: cosine), got "cosin"',
    ],
    [
      { ...good, schedule: { name: "cosine", cycle: 1 } },
      'hydra: expected a known option of schedule (name, cycles; nearest: cycles), got "cycle"',
    ],
    [{ ...good, rate: "fast" }, 'hydra: expected rate to be a number or a map of options, got "fast"'],
    [{ ...good, rate: { from: 1, to: "2" } }, 'hydra: expected rate.to to be a number, got "2"'],
  ])("%j", (value, text) => {
    expect(message(value)).toBe(text);
  });

  test("eps above 1 points at the pixel scale", () => {
    expect(message({ ...good, eps: 8 })).toBe(
      'hydra: expected eps in [0, 1] (pixels are scaled to [0, 1]; 8 of 255 levels is written "8/255"), got 8',
    );
    expect(message({ ...good, eps: "300" })).toBe(
      'hydra: expected eps in [0, 1] (pixels are scaled to [0, 1]), got "300"',
    );
    expect(message({ ...good, eps: "8/256x" })).toContain('expected eps to be a ratio such as "8/255"');
    expect(ratioField({ max: 10 }).parse("2.5")).toBe("2.5");
  });

  test("every problem is found, with its path", () => {
    const checked = checkOptions(schema, {
      keepRatio: 2,
      steps: 0,
      extra: 1,
      schedule: { name: "cosine", cycles: -1 },
    });
    expect(checked.ok).toBe(false);
    const problems = checked.ok ? [] : checked.problems;
    expect(problems.map((p) => [p.path.join("."), p.got])).toEqual([
      ["keepRatio", 2],
      ["steps", 0],
      ["schedule.cycles", -1],
      ["extra", "extra"],
    ]);
  });
});
