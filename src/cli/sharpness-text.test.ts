import { expect, test, vi } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import type { SharpnessEpoch, SharpnessRecord } from "../evaluation/index.js";
import { sharpnessText } from "./commands/sharpness-text.js";
import { main } from "./main.js";

const recordOf = (measured: Partial<SharpnessEpoch>): SharpnessRecord => {
  const settings = {
    ...{ images: 8, split: "selection", attack: "pgd-1", norm: "linf", eps: "8/255", objective: "pgd-at" },
    ...{ gamma: 0.01, flipFraction: 0.02, dtype: "float32", products: "doubleBackward" },
  } as SharpnessRecord["settings"];
  const epoch = { epoch: 3, state: "", objectiveLoss: 1.5, cleanAccuracy: 0.5, robustAccuracy: 0.25, seconds: {} };
  return { format: 1, run: "hydra", settings, layers: {}, versions: {}, epochs: [{ ...epoch, ...measured }] };
};

test("prints what was measured, with its meaning, and nothing else", () => {
  const ties = { deltas: [0.001, 0.003, 0.01, 0.03, 0.1], within: [0.001, 0.003, 0.0123, 0.03, 0.1], layers: {} };
  const text = sharpnessText(recordOf({ ties }));
  const [head, row, ...rest] = text.split("\n");
  expect(head?.trim().split(/ {2,}/)).toEqual(["epoch", "loss", "robust", "ties"]);
  expect(row).toMatch(/1\.2/);
  expect(rest.join("\n")).toContain("ties: share of the scores within 0.01 root mean squares of the threshold");
  expect(text).not.toMatch(/eigenvalue|trace|worst|average|flip|\(-\)/);
});

test("prints the smallest eigenvalue, and whether both products agree", () => {
  const check = { doubleBackward: 2.05, finiteDifferences: 2.041, relativeDifference: 0.004 };
  const eigenvalues = {
    ...{ values: [2.05, 1], bounds: [0.01, 0.1], smallest: { value: -0.5, bound: 0.02 }, steps: 20 },
    ...{ products: "doubleBackward" as const, check, layers: {} },
  };
  const text = sharpnessText(recordOf({ eigenvalues }));
  expect(text).toMatch(
    /epoch 3: smallest eigenvalue -0\.5\d* \(0\.02\); along the leading vector 2\.05\d* by double backward/,
  );
  expect(text).toMatch(/and 2\.041\d* by finite differences, products 0\.4\d* ?% apart/);
  const one = { ...check, doubleBackward: null, relativeDifference: null };
  expect(sharpnessText(recordOf({ eigenvalues: { ...eigenvalues, check: one } }))).toMatch(
    /leading vector 2\.041\d* by finite differences$/m,
  );
});

test("takes the options of a grid's sharpness", async () => {
  const work = vi.fn(async (_job: string, _options: unknown) => ({ status: "done", out: "sharpness.json" }));
  const numbers = ["--probes", "4", "--directions", "5", "--ascent-steps", "6", "--layer-steps", "7"];
  const more = ["--flip-fraction", "0.05", "--displacement", "1e-4"];
  expect(await main(["sharpness", "runs/x", ...numbers, ...more], { terminal: fakeTerminal(), work })).toBe(0);
  expect(work.mock.calls[0]?.[1]).toMatchObject({
    ...{ probes: 4, directions: 5, ascentSteps: 6, layerSteps: 7, flipFraction: 0.05, displacement: 1e-4 },
  });
});
