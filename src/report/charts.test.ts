import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { barChart, intervalChart, type Line, lineChart, stackChart } from "./charts.js";
import { rowStyles, type Style, stageColours } from "./palette.js";

const golden = fileURLToPath(new URL("../../test/golden/report/mask-distance.svg", import.meta.url));
const styles = rowStyles([{ name: "hydra" }, { name: "hydra-s2ap" }]);
const style = (name: string) => styles.get(name) as Style;

const lines: Line[] = [
  { name: "hydra", style: style("hydra"), points: [8.5, 4.9, 2.8, 1.7].map((value, i) => [i + 1, value]) },
  { name: "hydra-s2ap", style: style("hydra-s2ap"), points: [6.6, null, 2.2, 1.4].map((value, i) => [i + 1, value]) },
];
const draw = () => lineChart("mask-distance", lines, { unit: "% of kept weights replaced", zero: true });

/** Where texts stand: their boxes, as wide as 6.3 units a character. */
function boxes(svg: string): { x: number; y: number; width: number; text: string }[] {
  return [...svg.matchAll(/<text ([^>]*)>([^<]*)</g)].map(([, attributes = "", text = ""]) => {
    const read = (pattern: RegExp) => Number(pattern.exec(attributes)?.[1] ?? 0);
    const width = text.replace(/&[^;]+;/g, "x").length * 6.3;
    const shift = attributes.includes('"end"') ? width : attributes.includes('"middle"') ? width / 2 : 0;
    const x = read(/ x="(-?[\d.]+)"/) + read(/translate\((-?[\d.]+)/) - shift;
    return { x, y: read(/ y="(-?[\d.]+)"/) + read(/translate\(-?[\d.]+ (-?[\d.]+)\)/), width, text };
  });
}

function overlaps(svg: string): string[] {
  const all = boxes(svg);
  return all.flatMap((a, i) =>
    all.slice(i + 1).flatMap((b) => {
      const apart = a.x + a.width <= b.x || b.x + b.width <= a.x || Math.abs(a.y - b.y) >= 11;
      return apart ? [] : [`${a.text} / ${b.text}`];
    }),
  );
}

describe("lineChart", () => {
  test("is the golden chart", async () => {
    await expect(draw()).toMatchFileSnapshot(golden);
  });

  test("is the same whatever was drawn before it", () => {
    const first = draw();
    intervalChart("other", [{ name: "a", style: style("hydra"), value: 30, interval: [28, 32] }], { unit: "%" });
    expect(draw()).toBe(first);
  });

  test("breaks a line where a value is missing", () => {
    const whole = lineChart(
      "x",
      [
        {
          ...(lines[1] as Line),
          points: [
            [1, 6.6],
            [2, 4],
            [3, 2.2],
            [4, 1.4],
          ],
        },
      ],
      { unit: "%", zero: true },
    );
    const moves = (svg: string) => (/<g clip-path[\s\S]*?<\/g>/.exec(svg)?.[0].match(/M/g) ?? []).length;
    expect(moves(whole)).toBe(1);
    expect(moves(lineChart("x", [lines[1] as Line], { unit: "%", zero: true }))).toBe(2);
  });

  test.each([1, 2, 4, 12, 20, 57, 100, 200, 1000])("keeps its texts apart over %d epochs", (epochs) => {
    const many = Array.from({ length: 6 }, (_, row): Line => {
      const points = Array.from({ length: epochs }, (_, i): [number, number] => [i + 1, 1 / (i + 1 + row)]);
      return { name: `network-number-${row}`, style: style("hydra"), points };
    });
    const svg = lineChart("many", many, { unit: "loss", zero: false });
    expect(boxes(svg).length).toBeGreaterThan(10);
    expect(overlaps(svg)).toEqual([]);
  });

  test("can show one point, equal points and no point", () => {
    const one = (points: Line["points"]) =>
      lineChart("x", [{ ...(lines[0] as Line), points }], { unit: "u", zero: false });
    for (const points of [
      [],
      [[1, 3]],
      [
        [1, 0],
        [2, 0],
      ],
      [
        [1, -2],
        [2, -2],
      ],
      [[1, null]],
    ] as Line["points"][]) {
      expect(one(points)).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

describe("the other charts", () => {
  const long = ["dense", "a-name-that-is-much-too-long-for-a-chart", "<script>", "日本語の名前"];

  test("keep their texts apart and inside the panel", () => {
    const estimates = long.map((name, i) => ({
      name,
      style: style("hydra"),
      value: 30 + i,
      interval: [27 + i, 33 + i] as const,
    }));
    const parts = ["Pretraining", "Mask search", "Finetuning", "Evaluation"].map((name, i) => ({
      name,
      colour: stageColours[i] as Style["colour"],
    }));
    const charts = [
      intervalChart("a", estimates, { unit: "% of test images" }),
      barChart(
        "b",
        long.map((name) => ({ name, value: 90 })),
        { unit: "%", colour: style("hydra").colour },
      ),
      stackChart(
        "c",
        long.map((name) => ({ name, parts: [300, 100, 40, 10] })),
        { unit: "seconds", parts },
      ),
    ];
    for (const svg of charts) {
      expect(overlaps(svg)).toEqual([]);
      for (const box of boxes(svg)) expect(box.x).toBeGreaterThanOrEqual(0);
      for (const box of boxes(svg)) expect(box.x + box.width).toBeLessThanOrEqual(402);
      expect(svg).not.toMatch(/<script|NaN|undefined/);
    }
  });

  test("write the values they draw", () => {
    const svg = intervalChart("a", [{ name: "a", style: style("hydra"), value: 31.14, interval: null }], { unit: "%" });
    expect(boxes(svg).map(({ text }) => text)).toContain("31.1");
    const sums = stackChart("c", [{ name: "a", parts: [300, 41] }], {
      unit: "s",
      parts: [
        { name: "x", colour: style("hydra").colour },
        { name: "y", colour: style("hydra").colour },
      ],
    });
    expect(boxes(sums).map(({ text }) => text)).toContain("341");
  });
});

describe("rowStyles", () => {
  test("gives the dense network the neutral colour, and every row its own pair of colour and symbol", () => {
    const rows = [
      { name: "dense", sparsity: 0 },
      ...Array.from({ length: 14 }, (_, i) => ({ name: `row ${i}`, sparsity: 0.9 })),
    ];
    const all = rowStyles(rows);
    expect(all.get("dense")?.colour.name).toBe("row-0");
    expect(new Set([...all.values()].map(({ colour, symbol }) => `${colour.name} ${symbol}`)).size).toBe(15);
  });
});
