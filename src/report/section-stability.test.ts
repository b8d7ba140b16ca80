import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { experimentFixture, removeFolders } from "../../test/support/experiment-fixture.js";
import { cellText } from "./blocks.js";
import { collect } from "./collect.js";
import { reportDocument } from "./document.js";
import { tablesOf } from "./document-tables.js";
import { toHtml, toMarkdown } from "./index.js";

afterAll(removeFolders);

const estimate = (value: number) => ({ value, interval: [value - 0.0625, value + 0.03125] });
const record = {
  on: { data: "cifar10 test", examples: 256, attack: "pgd-10", norm: "linf", eps: "8/255" },
  pairs: [
    {
      ...{ a: "hydra", b: "hydra-s2ap", masks: { total: { jaccard: 0.625 } } },
      functional: {
        ...{ agreement: estimate(0.875), robustSets: { jaccard: estimate(0.75) }, gradientCosine: estimate(0.5) },
        features: { "layer4/out": { cka: 0.9375, debiased: 0.8125 } },
      },
    },
    { a: "dense", b: "hydra", masks: null, functional: null },
  ],
};

test("what s2ap stability left in a folder is in its report, each number with its place", () => {
  const folder = experimentFixture();
  expect(toHtml(collect([folder]))).not.toContain("section-stability");
  writeFileSync(join(folder, "stability.json"), JSON.stringify(record));
  const data = collect([folder]);
  expect(toMarkdown(data)).toContain("On 256 test images of cifar10 test; robust sets under pgd-10 at linf 8/255.");
  const tables = tablesOf(reportDocument(data)).filter(({ section }) => section === "stability");
  expect(tables.map(({ table }) => table.rows.map((row) => row.map(cellText)))).toEqual([
    [
      ["hydra", "hydra-s2ap", "0.625", "0.875", "0.813 to 0.906", "0.750", "0.688 to 0.781", "0.500", "0.438 to 0.531"],
      ["dense", "hydra", "–", "–", "–", "–", "–", "–", "–"],
    ],
    [["hydra", "hydra-s2ap", "layer4/out", "0.813", "0.938"]],
  ]);
  const places = tables.flatMap(({ table }) =>
    table.rows.flat().flatMap((cell) => {
      if (typeof cell === "string") return [];
      const steps = (cell.origin.from[0]?.at ?? "").split("/").slice(1);
      const found = steps.reduce<unknown>(
        (at, step) => (at as Record<string, unknown>)[step.replaceAll("~1", "/")],
        record,
      );
      return [[cell.values, [found].flat()]];
    }),
  );
  expect(places).toHaveLength(9);
  for (const [shown, found] of places) expect(shown).toEqual(found);
});

test("another stability.json is named and left out", () => {
  const folder = experimentFixture();
  writeFileSync(join(folder, "stability.json"), "{}");
  expect(collect([folder]).problems).toEqual(["quickstart/stability.json holds no record of s2ap stability."]);
});
