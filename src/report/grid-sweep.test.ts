import { expect, test } from "vitest";
import type { CellData, CellNumbers, GridData } from "./grid-data.js";
import { gridMarkdown } from "./grid-page.js";
import { sweepChart, sweepsOf } from "./grid-sweep.js";

const accuracy = (robust: number) => ({
  ...{ attack: "pgd-20", eps: "8/255", clean: "1".repeat(100), robust: "1".repeat(robust) + "0".repeat(100 - robust) },
});

function cell(gamma: number, awp: string, seed: number, robust: number): CellData {
  const at = { gamma: `gamma_${gamma}`, awp, seed: String(seed) };
  const result = {
    ...{ sparsity: 0.9, before: accuracy(robust - 10), after: accuracy(robust), passes: {}, seconds: {} },
    ...{ maskDistances: [0.04, gamma], swapFraction: null },
  };
  return { name: Object.values(at).join("-"), at, scratch: false, status: "done", result };
}

const cells = [0.1, 0.003, 0.03].flatMap((gamma, i) => [
  cell(gamma, "awp_on", 1, 40 + i),
  cell(gamma, "awp_on", 2, 44 + i),
  cell(gamma, "awp_off", 1, 30),
]);
const grid: GridData = {
  ...{ format: 1, name: "g", title: "A sweep", repeat: "seed", dense: null, distances: [], made: null, cells },
  sweeps: { gamma: { "gamma_0.1": 0.1, "gamma_0.003": 0.003, "gamma_0.03": 0.03 } },
};

test("every quantity that was measured has a curve for each of the other choices, in the order of the numbers", () => {
  const sweeps = sweepsOf(grid);
  expect(sweeps.map(({ id }) => id)).toEqual([
    "gamma-robust-after",
    "gamma-robust-before",
    "gamma-clean-after",
    "gamma-clean-before",
    "gamma-mask-distance",
  ]);
  expect(sweeps[0]?.curves).toEqual([
    {
      name: "awp_on",
      points: [
        { x: 0.003, values: [0.41, 0.45] },
        { x: 0.03, values: [0.42, 0.46] },
        { x: 0.1, values: [0.4, 0.44] },
      ],
      bases: [],
    },
    { name: "awp_off", points: [0.003, 0.03, 0.1].map((x) => ({ x, values: [0.3] })), bases: [] },
  ]);
});

test("the chart names its numbers, and the page shows it and tells it in words and numbers", () => {
  const [first] = sweepsOf(grid);
  const svg = first ? sweepChart(first) : "";
  for (const text of ["0.003", "0.03", "0.1", "awp_on", "awp_off", "gamma", "Robust accuracy after finetuning, %"]) {
    expect(svg).toContain(`>${text}</text>`);
  }
  expect(svg).not.toMatch(/NaN|undefined/);
  const page = gridMarkdown(grid, { command: "c" });
  expect(page).toContain("![Robust accuracy after finetuning, %](gamma-robust-after.svg)");
  expect(page).toContain("awp\\_on: 43.0 at 0.003, 44.0 at 0.03 and 42.0 at 0.1;");
  expect(page).toMatch(/\| awp\\_on +\| gamma 0\.003 +\| +43\.0 \(17\.6 to 68\.4\): 41\.0, 45\.0 \|/);
});

test("what has no number is a line to hold the curve against, with its interval, and choices of numbers are named", () => {
  const renamed = ({ at, ...one }: CellData): CellData => ({
    ...one,
    at: { gamma: at.gamma ?? "", sparsity: at.awp === "awp_on" ? "90" : "95", seed: at.seed ?? "" },
  });
  const plain = [cell(0.5, "awp_on", 1, 50), cell(0.5, "awp_on", 2, 60)].map(({ at, ...one }): CellData => {
    return { ...one, at: { ...at, gamma: "plain" } };
  });
  const held = { ...grid, cells: [...cells, ...plain].map(renamed) };
  const [first] = sweepsOf(held);
  expect(first?.curves.map(({ name }) => name)).toEqual(["sparsity 90", "sparsity 95"]);
  expect(first?.curves[0]?.bases).toEqual([{ name: "plain, sparsity 90", values: [0.5, 0.6] }]);
  const svg = first ? sweepChart(first) : "";
  for (const text of ["sparsity 90", "sparsity 95", "plain, sparsity 90"]) expect(svg).toContain(`>${text}</text>`);
  // The t interval of 50 and 60 is all that there is of accuracies, and the band reaches over it.
  for (const text of ["0", "100"]) expect(svg).toContain(`>${text}</text>`);
  expect(svg).toMatch(/fill-opacity="0.12"/);
  expect(svg).toContain("stroke-dasharray");
  // Three points of two repetitions have bars, those of one have none.
  expect(svg.match(/stroke-width="1.5"/g)).toHaveLength(3);
  const page = gridMarkdown(held, { command: "c" });
  expect(page).toContain(
    "sparsity 90: 43.0 at 0.003, 44.0 at 0.03 and 42.0 at 0.1, against 55.0 of plain, sparsity 90;",
  );
  expect(page.replace(/ +/g, " ")).toMatch(/\| plain, sparsity 90 \| – \| 55\.0 \(0\.0 to 100\.0\): 50\.0, 60\.0 \|/);
});

test("sharpness is drawn where it was measured, in its own unit", () => {
  const settings = {
    ...{ images: 8, split: "selection", attack: "pgd-1", norm: "linf", eps: "8/255", objective: "pgd-at" },
    ...{ gamma: 0.01, lanczosSteps: 5, dtype: "float32" },
  };
  const measured = cells.map((one, i): CellData => {
    const top = { value: 250 + i, bound: 0.1 };
    const states = [{ epoch: 2, objectiveLoss: 1, topEigenvalue: top, worstRise: null }];
    return { ...one, result: { ...(one.result as CellNumbers), sharpness: { settings, states } } };
  });
  const found = sweepsOf({ ...grid, cells: measured }).filter(({ unit }) => unit === "number");
  expect(found.map(({ id }) => id)).toEqual(["gamma-top-eigenvalue"]);
  expect(found[0]?.curves[0]?.points[0]).toEqual({ x: 0.003, values: [253, 254] });
  const page = gridMarkdown({ ...grid, cells: measured }, { command: "c" });
  expect(page).toContain("Top eigenvalue after the search by gamma: awp\\_on: 254 at 0.003");
  expect(page.replace(/ +/g, " ")).toMatch(/\| awp\\_off \| gamma 0\.003 \| 255 \|/);
  expect(found[0] && sweepChart(found[0])).toContain(">260</text>");
});

test("points of unequal repetitions are told", () => {
  const note = "hold a single value against the first of several";
  expect(gridMarkdown(grid, { command: "c" })).not.toContain(note);
  expect(gridMarkdown({ ...grid, cells: cells.slice(0, 7) }, { command: "c" })).toContain(note);
});

test("a grid without numbers, or with one of them done, has no curve", () => {
  expect(sweepsOf({ ...grid, sweeps: {} })).toEqual([]);
  expect(sweepsOf({ ...grid, cells: cells.slice(0, 3) })).toEqual([]);
});
