import { describe, expect, test } from "vitest";
import { claimsSection, lessVerdict, moreVerdict } from "./grid-claims.js";
import type { AccuracyData, CellData, CellSharpness, GridData } from "./grid-data.js";
import { gridMarkdown } from "./grid-page.js";

const N = 200;
const accuracy = (robust: number): AccuracyData => ({
  ...{ attack: "pgd-20", eps: "8/255", clean: "1".repeat(N), robust: "1".repeat(robust) + "0".repeat(N - robust) },
});
const settings: CellSharpness["settings"] = {
  ...{ images: 128, split: "selection", attack: "pgd-2", norm: "linf", eps: "8/255", objective: "pgd-at" },
  ...{ gamma: 0.01, lanczosSteps: 20, dtype: "float32" },
};

interface Numbers {
  readonly top: number;
  readonly worst: number;
  readonly masks: readonly number[];
  readonly robust: readonly [before: number, after: number | null];
}

function cell(sparsity: string, gamma: string, seed: number, { top, worst, masks, robust }: Numbers): CellData {
  const at = { sparsity, gamma, seed: String(seed) };
  const start = { epoch: 0, objectiveLoss: 1.8, topEigenvalue: { value: 0.5, bound: 0.001 }, worstRise: 0.25 };
  const end = { epoch: 3, objectiveLoss: 1.6, topEigenvalue: { value: top, bound: 0.002 }, worstRise: worst };
  const result = {
    ...{ sparsity: Number(sparsity) / 100, passes: { search: 10 }, seconds: { search: 1 } },
    ...{ before: accuracy(robust[0]), after: robust[1] === null ? null : accuracy(robust[1]) },
    ...{
      maskDistances: masks,
      swapFraction: gamma === "plain" ? null : 0.02,
      sharpness: { settings, states: [start, end] },
    },
  };
  return { name: Object.values(at).join("-"), at, scratch: false, status: "done", result };
}

const grid = (cells: readonly CellData[]): GridData => ({
  ...{ format: 1, name: "g", title: "A grid", repeat: "seed", cells, made: null, dense: null, distances: [] },
  claims: { axis: "gamma", base: "plain", other: "s2ap" },
});
const seeds = [1, 2, 3];
const near: Numbers = { top: 2, worst: 0.1, masks: [0.08, 0.01], robust: [60, 70] };
const at90 = (s2ap: Partial<Numbers>, base: Numbers = near) =>
  seeds.flatMap((seed) => [
    cell("90", "plain", seed, { ...base, top: base.top + seed / 10 }),
    cell("90", "s2ap", seed, { ...base, top: base.top + seed / 10, ...s2ap }),
  ]);
const said = (cells: readonly CellData[]) =>
  claimsSection(grid(cells))[0]?.blocks.flatMap((block) => (block.kind === "list" ? block.items : [])) ?? [];

describe("what is said of the paper's claims", () => {
  test("at equal numbers nothing is distinguishable", () => {
    expect(said(at90({}))).toEqual([
      "Flatter score space: top eigenvalue after the search: not distinguishable at sparsity 90.",
      "Flatter score space: worst rise of the loss in the ball: not distinguishable at sparsity 90.",
      "Stabler masks: replaced in the last epoch: not distinguishable at sparsity 90.",
      "Stabler masks: replaced in all epochs together: not distinguishable at sparsity 90.",
      "More robust before finetuning: not distinguishable at sparsity 90.",
      "More robust after finetuning: not distinguishable at sparsity 90.",
    ]);
  });

  test("at clearly better numbers they hold, at clearly worse ones the opposite does", () => {
    const better = said(at90({ top: 1, worst: 0.05, masks: [0.07, 0.005], robust: [90, 100] }));
    expect(better).toHaveLength(6);
    for (const sentence of better) expect(sentence).toMatch(/: holds at sparsity 90\.$/);
    const worse = said(at90({ top: 4, worst: 0.2, masks: [0.09, 0.02], robust: [30, 40] }));
    for (const sentence of worse) expect(sentence).toMatch(/: the opposite holds at sparsity 90\.$/);
  });

  test("places are told apart, and nothing is said of a finetuning that was not", () => {
    const at95 = seeds.flatMap((seed) => [
      cell("95", "plain", seed, { ...near, robust: [50, null] }),
      cell("95", "s2ap", seed, { ...near, top: 1, robust: [50, null] }),
    ]);
    const told = said([...at90({}), ...at95]);
    expect(told[0]).toBe(
      "Flatter score space: top eigenvalue after the search: not distinguishable at sparsity 90; holds at sparsity 95.",
    );
    expect(told.at(-1)).toBe("More robust after finetuning: not distinguishable at sparsity 90.");
  });

  test("of one repetition nothing can be said, and other labels of the choice stay out of it", () => {
    const [plain, s2ap] = at90({ top: 0.1, robust: [190, 190] }) as [CellData, CellData];
    const stray = { ...s2ap, name: "stray", at: { ...s2ap.at, gamma: "s2ap_0.1" } };
    const told = said([plain, s2ap, stray]);
    expect(told).toHaveLength(6);
    for (const sentence of told) expect(sentence).toMatch(/: not distinguishable at sparsity 90\.$/);
  });

  test("a grid that names no claims has no such section, one without finished cells says so", () => {
    const { claims: _claims, ...rest } = grid(at90({}));
    expect(claimsSection(rest)).toEqual([]);
    const missing = at90({}).map(({ result: _result, ...one }): CellData => ({ ...one, status: "missing" }));
    expect(JSON.stringify(claimsSection(grid(missing)))).toContain("No two finished cells can be compared yet.");
  });
});

test("the page has the start and the end of each search, means over the seeds, and where the seeds end", () => {
  const page = gridMarkdown(grid(at90({ top: 1 })), { command: "c" }).replace(/ +/g, " ");
  expect(page).toContain("The repetitions vary the search and the finetuning and not the pretraining");
  expect(page).toContain("| 90 | plain | 1 | 0 | 1.80 | 0.500 | 0.001 | 0.250 |");
  expect(page).toContain("| 90 | s2ap | 3 | 3 | 1.60 | 1.00 | 0.002 | 0.100 |");
  // 2.1, 2.2, 2.3: 2.2 -+ 4.303 * 0.1 / sqrt(3)
  expect(page).toContain("| 90 | plain | 2.20 (1.95 to 2.45): 2.10, 2.20, 2.30 |");
  expect(page).toMatch(/\| 90 \| plain \| 8\.0, 8\.0, 8\.0 \| 1\.0, 1\.0, 1\.0 \|/);
  expect(page).toMatch(/pgd-at on 128 images of the selection split, under the attack pgd-2 \(linf, eps 8\/255\)/);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
});

describe("verdicts", () => {
  test("less: the t interval of the ratios, or of the differences where a value is not above 0", () => {
    // ln 0.5 three times but for 10 %: mean -0.692, sd 0.1, t 4.303: -0.94 to -0.44
    const { ratios, mean, interval, verdict } = lessVerdict([
      [1, 0.5 * Math.exp(0.1)],
      [2, 1],
      [4, 2 * Math.exp(-0.1)],
    ]);
    expect([ratios, verdict]).toEqual([true, "holds"]);
    expect(mean).toBeCloseTo(0.5, 10);
    expect(interval?.[0]).toBeCloseTo(0.5 * Math.exp((-4.3027 * 0.1) / Math.sqrt(3)), 4);
    const differences = lessVerdict([
      [0, 0.1],
      [0.1, 0.2],
      [0.2, 0.31],
    ]);
    expect([differences.ratios, differences.verdict]).toEqual([false, "the opposite holds"]);
    expect(lessVerdict([[2, 1]]).verdict).toBe("not distinguishable");
  });

  test("more: every repetition, in one direction, below the limit", () => {
    const tested = (difference: number, p: number) => ({ difference, onlyA: 0, onlyB: 0, p });
    expect(moreVerdict([tested(0.1, 0.001), tested(0.2, 0.001)], 0.01)).toBe("holds");
    expect(moreVerdict([tested(-0.1, 0.001), tested(-0.2, 0.001)], 0.01)).toBe("the opposite holds");
    expect(moreVerdict([tested(0.1, 0.001), tested(0.2, 0.02)], 0.01)).toBe("not distinguishable");
    expect(moreVerdict([tested(0.1, 0.001), tested(-0.2, 0.001)], 0.01)).toBe("not distinguishable");
    expect(moreVerdict([tested(0.1, 0.001)], 0.01)).toBe("not distinguishable");
  });
});
