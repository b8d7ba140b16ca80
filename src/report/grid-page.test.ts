import { describe, expect, test } from "vitest";
import type { AccuracyData, CellData, GridData } from "./grid-data.js";
import { gridCharts, gridMarkdown, gridSummary } from "./grid-page.js";
import { pairsOf } from "./grid-pairs.js";

const N = 200;
/** The first `robust` images withstand, the first `clean` are right. */
const accuracy = (robust: number, clean = 150): AccuracyData => {
  const hits = (n: number) => "1".repeat(n) + "0".repeat(N - n);
  return { attack: "pgd-20", eps: "8/255", clean: hits(clean), robust: hits(robust) };
};

function cell(method: string, gradient: string, seed: number, before: number, after: number): CellData {
  const result = {
    sparsity: 0.95,
    before: accuracy(before),
    after: accuracy(after),
    passes: { search: 942, finetune: 628 },
    seconds: { search: 60, finetune: 30 },
    maskDistances: method === "magnitude" ? [] : [0.04, 0.01],
    swapFraction: gradient === "s2ap" ? 0.0123 : null,
  };
  const at = { method, gradient, seed: String(seed) };
  return { name: Object.values(at).join("-"), at, scratch: method === "rst", status: "done", result };
}

const without = ({ name, at, scratch }: CellData, status: "missing" | "failed"): CellData => ({
  ...{ name, at, scratch, status },
  ...(status === "failed" && { reason: "not enough memory\nby far" }),
});

const grid = (cells: readonly CellData[]): GridData => ({
  ...{ format: 1, name: "g", title: "A grid", repeat: "seed", cells, made: { s2ap: "0.1.0", cpu: "one" } },
  dense: { sha256: "abc", accuracy: accuracy(100) },
  distances: [{ a: "hydra-plain-1", b: "hydra-plain-2", perKept: 0.125 }],
});

const all = [
  cell("hydra", "plain", 1, 80, 90),
  cell("hydra", "plain", 2, 82, 91),
  cell("hydra", "s2ap", 1, 81, 92),
  cell("hydra", "s2ap", 2, 80, 90),
  cell("rst", "plain", 1, 20, 30),
  cell("rst", "plain", 2, 22, 92),
];

describe("the page of a grid", () => {
  const page = gridMarkdown(grid(all), { command: "s2ap grid g.yaml" });
  const row = (start: RegExp) => page.split("\n").filter((line) => start.test(line));

  test("has every cell's accuracies with Wilson intervals", () => {
    const [numbers, cost] = row(/^\| hydra +\| plain +\| 1 /);
    // 90 of 200: (0.45 + 0.0096) / 1.0192 -+ 0.0683
    expect(numbers?.replace(/ +/g, " ")).toBe(
      "| hydra | plain | 1 | 95.00 | 75.0 (68.6 to 80.5) | 40.0 (33.5 to 46.9) | 75.0 (68.6 to 80.5) | 45.0 (38.3 to 51.9) |",
    );
    expect(cost?.replace(/ +/g, " ")).toBe("| hydra | plain | 1 | 942 | 628 | 1.5 | 4.0, 1.0 | 12.5 | – |");
    expect(row(/^\| dense /)[0]).toMatch(/50\.0 \(43\.1 to 56\.9\) \|$/);
    expect(row(/^\| hydra +\| s2ap +\| 2 /)[1]).toMatch(/1\.23 \|$/);
  });

  test("has means over the repetitions, their t intervals and every value", () => {
    // 45.0 and 45.5: 45.25 -+ 12.706 * 0.3536 / sqrt(2)
    const means = row(/^\| hydra +\| plain +\| +75\.0/);
    expect(means[0]?.replace(/ +/g, " ")).toMatch(
      /\| 40\.5 \(34\.1 to 46\.9\): 40\.0, 41\.0 \| .* \| 45\.3 \(42\.1 to 48\.4\): 45\.0, 45\.5 \|$/,
    );
  });

  test("has what each stage and attack cost, where it is known", () => {
    expect(page).not.toContain("What it cost");
    const [first, ...rest] = all as [CellData, ...CellData[]];
    const cost = [{ what: "search", forward: 1413, backward: 1413, seconds: 98.08, peakMemory: 8.5e8 }];
    const known = { ...first, result: { ...first.result, cost } } as CellData;
    const text = gridMarkdown(grid([known, ...rest]), { command: "c" });
    expect(text.replace(/ +/g, " ")).toContain("| hydra-plain-1 | search | 1,413 | 1,413 | 98.1 | 850 |");
    expect(text).toContain("what earlier stages freed has gone back to the system");
  });

  test("begins with the note of the grid", () => {
    const note = "The dense network is another's.";
    expect(gridMarkdown({ ...grid(all), note }, { command: "c" })).toContain(
      "is written by: c. It goes on where it was stopped. The dense network is another's.",
    );
  });

  test("has robust accuracy side by side, where nothing is swept", () => {
    const charts = gridCharts(grid(all));
    expect(charts.map(({ file }) => file)).toEqual(["g-robust-after.svg", "g-robust-before.svg"]);
    // The t interval over two seeds, and Wilson's of the one dense network.
    expect(charts[0]?.alt).toContain("dense 50.0 (43.1 to 56.9); hydra plain 45.3 (42.1 to 48.4); hydra s2ap");
    const svg = charts[0]?.draw() ?? "";
    for (const name of ["dense", "hydra plain", "hydra s2ap", "rst plain"]) expect(svg).toContain(`>${name}</text>`);
    expect(svg).not.toMatch(/NaN|undefined/);
    expect(page).toContain("](g-robust-after.svg)");
    expect(page).toContain("A dot is a seed");
    expect(gridCharts(grid(all.slice(0, 2)))).toEqual([]);
  });

  test("is headed by the last word of a key", () => {
    const keyed = all.map((one): CellData => {
      const { method = "", gradient = "", seed = "" } = one.at;
      return { ...one, at: { "stages.search.method.name": method, "stages.finetune.awp": gradient, seed } };
    });
    const text = gridMarkdown(grid(keyed), { command: "c" });
    expect(text.match(/^### By .*$/gm)).toEqual(["### By method", "### By awp"]);
  });

  test("says how stages came to equal passes", () => {
    const stretched = [
      { cell: "hydra-plain-1", stage: "search" as const, from: 157, to: 192, passes: 3456 },
      { cell: "hydra-plain-1", stage: "finetune" as const, from: 157, to: 209, passes: 2508 },
    ];
    const target = { search: 3454, finetune: 2512 };
    const budget = { equal: "passes", batches: 157, target, stretched, apart: [] } as const;
    expect(gridMarkdown({ ...grid(all), budget }, { command: "c" })).toContain(
      "Longer searches: hydra-plain-1 from 157 batches an epoch to 192 (3,456 passes, 0.1 %). " +
        "Longer finetunings: hydra-plain-1 from 157 batches an epoch to 209 (2,508 passes, −0.2 %).",
    );
    const [least, most] = [
      { cell: "hydra-s2ap-1", passes: 3454 },
      { cell: "hydra-plain-1", passes: 3768 },
    ];
    const apart = [{ stage: "search" as const, least, most }];
    expect(gridMarkdown({ ...grid(all), budget: { ...budget, apart } }, { command: "c" })).toContain(
      "Budgets are not equal: searches differ from 3,454 passes of hydra-s2ap-1 to 3,768 of hydra-plain-1, 9.1 % more: whole batches come no nearer.",
    );
  });

  test("calls distinguishable only what is clear in every repetition and in one direction", () => {
    expect(page).toMatch(
      /- Before it, distinguishable: hydra plain is above rst plain by 30\.0 and 30\.0 points \(mean 30\.0, 95 % 2\d\.\d to 3\d\.\d\)\./,
    );
    // After finetuning one seed of rst is level with hydra.
    expect(page).toMatch(
      /- After finetuning, not distinguishable: rst plain less hydra plain: −30\.0 and 0\.5 points \(mean −14\.8, 95 % −1\d\.\d to −1\d\.\d\), clear in some repetitions and not in all\./,
    );
    expect(page).toMatch(
      /- After finetuning, not distinguishable: hydra s2ap less hydra plain|hydra plain: 1\.0 and −0\.5 points/,
    );
  });

  test("has the size of each difference, of every pair and over the repetitions", () => {
    const text = page.replace(/ +/g, " ");
    expect(text).toMatch(
      /\| hydra-plain-1 \| rst-plain-1 \| −30\.0 \(−3\d\.\d to −2\d\.\d\) \| 60 \/ 0 \| &lt; 0\.0001 \| −30\.0 \(/,
    );
    // 0.5 points in the first seed and -0.5 in the second: 2 images of 200 and 1; mean 0.25, t 12.706 * 0.75
    expect(text).toMatch(
      /\| hydra plain \| hydra s2ap \| Robust, after \| 0\.3 \| −?\d\.\d to \d\.\d \| −9\.3 to 9\.8 \| 1\.0, −0\.5 \|/,
    );
    expect(text).toContain("| hydra plain | hydra s2ap | Clean, before | 0.0 | 0.0 to 0.0 | 0.0 to 0.0 | 0.0, 0.0 |");
    expect(gridMarkdown(grid(all), { command: "s2ap grid g.yaml" })).toBe(page);
  });

  test("has how stable masks are, over the repetitions", () => {
    const text = page.replace(/ +/g, " ");
    expect(text).toContain("| hydra | plain | 12.5 | 1.0 (1.0 to 1.0): 1.0, 1.0 | 5.0, 5.0 | – |");
    expect(text).toContain("| hydra | s2ap | – | 1.0 (1.0 to 1.0): 1.0, 1.0 | 5.0, 5.0 | 1.2 (1.2 to 1.2): 1.2, 1.2 |");
    expect(text).toContain("| hydra | plain | 4.0, 4.0 | 1.0, 1.0 |");
  });

  test("says what it cannot show, and no more than that", () => {
    expect(page).toContain("Under pgd-20 robust accuracy is an upper bound.");
    expect(page).not.toContain("There is one seed");
    const whole = all.slice(0, 1).map((one): CellData => {
      const before = { ...accuracy(80), attack: "aa-standard" };
      return { ...one, result: { ...one.result, before } as never };
    });
    const text = gridMarkdown({ ...grid(whole), dense: null }, { command: "c" });
    expect(text).toContain("There is one seed: a difference is one between these networks, not between methods.");
    expect(text).not.toContain("upper bound");
  });

  test("says what chance alone does, and of random weights what the numbers say", () => {
    expect(page).toMatch(/Cells that differ in seed alone lie up to 31\.0 points apart after finetuning/);
    expect(page).toMatch(/before finetuning: 10\.0 to 11\.0 % against 40\.0 to 41\.0 %, all below/);
    expect(page).toMatch(/after it: 15\.0 to 46\.0 % against 45\.0 to 46\.0 %, not all below/);
  });

  test("is written for a grid that has just begun", () => {
    const cells = all.map((one) => without(one, "missing"));
    const begun = gridMarkdown({ ...grid(cells), dense: null, made: null, distances: [] }, { command: "c" });
    expect(begun).toMatch(/0 of 6 cells are done; missing: hydra-plain-1, /);
    expect(begun).not.toMatch(/distinguishable|NaN|Infinity|undefined/);
    expect(begun.match(/\| missing \|| missing \|/g)).toHaveLength(12);
  });

  test("shows missing and failed cells as such", () => {
    const cells = [without(all[0] as CellData, "failed"), ...all.slice(1, 5), without(all[5] as CellData, "missing")];
    expect(gridSummary(grid(cells))).toBe(
      "4 of 6 cells are done; missing: rst-plain-2; failed: hydra-plain-1 (not enough memory)",
    );
    const text = gridMarkdown(grid(cells), { command: "c" });
    expect(text).toMatch(/\| hydra +\| plain +\| 1 +\| +failed \| +– \|/);
    expect(text).toMatch(/one repetition only, the other is missing|No two finished cells|not distinguishable/);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });
});

test("cells that were not finetuned have numbers before it only, and are compared by these", () => {
  const searched = all.map(
    (one): CellData => (one.at.method === "hydra" ? { ...one, result: { ...one.result, after: null } as never } : one),
  );
  expect(pairsOf(grid(searched)).map(({ after }) => after === null)).toEqual([
    true,
    true,
    true,
    true,
    true,
    true,
    false,
  ]);
  const page = gridMarkdown(grid(searched), { command: "c" });
  expect(page).toContain("With 8 comparisons on this page");
  expect(page.replace(/ +/g, " ")).toMatch(/\| hydra \| plain \| 1 \| 95\.00 \| 75\.0 .* \| 40\.0 .* \| – \| – \|/);
  expect(page).toMatch(/- Before it, not distinguishable: hydra s2ap less hydra plain/);
  expect(page).not.toMatch(/After finetuning, (not )?distinguishable|NaN|Infinity|undefined/);
});

test("pairs differ in one choice, and count images by which of the two withstands", () => {
  const pairs = pairsOf(grid(all));
  expect(pairs.map(({ axis, a, b }) => `${axis}: ${a.name} ${b.name}`)).toEqual([
    "method: hydra-plain-1 rst-plain-1",
    "method: hydra-plain-2 rst-plain-2",
    "gradient: hydra-plain-1 hydra-s2ap-1",
    "gradient: hydra-plain-2 hydra-s2ap-2",
    "seed: hydra-plain-1 hydra-plain-2",
    "seed: hydra-s2ap-1 hydra-s2ap-2",
    "seed: rst-plain-1 rst-plain-2",
  ]);
  expect(pairs[0]?.after).toMatchObject({ difference: -0.3, onlyA: 60, onlyB: 0 });
  expect(pairs[0]?.after?.p).toBeLessThan(1e-12);
  // Two images on one side, none on the other: 2 / 2^2
  expect(pairs[2]?.after).toEqual({ difference: 0.01, onlyA: 0, onlyB: 2, p: 0.5 });
});
