import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import type { Chart } from "./blocks.js";
import { collect } from "./collect.js";
import { reportDocument } from "./document.js";
import { chartsOf } from "./document-tables.js";

afterAll(removeFolders);

const charts = (folder: string) =>
  new Map(chartsOf(reportDocument(collect([folder]))).map((chart) => [chart.id, chart] as const));
const words = (chart: Chart | undefined) =>
  [...(chart?.draw() ?? "").matchAll(/<text[^>]*>([^<]*)</g)].map(([, word]) => word);

test("scores near the threshold are drawn by distance, on a logarithmic axis, and by layer", () => {
  const found = charts(explainedFixture());
  const all = found.get("sharpness-ties");
  expect(all?.alt).toContain("hydra 1.25 % within 0.01, 11.00 % within 0.1; hydra-s2ap 1.25 %");
  expect(words(all)).toEqual(expect.arrayContaining(["0.01", "0.1", "hydra", "hydra-s2ap", "% of all scores"]));
  const layers = found.get("sharpness-ties-layers");
  expect(layers?.alt).toContain("within 0.01 root mean squares of its threshold: hydra from 0.00 % to 2.00 %;");
  expect(words(layers)).toEqual(expect.arrayContaining(["conv1", "layer1.0.conv1", "linear"]));
});

test("a distance that not all have measured is not what layers are compared at", () => {
  const folder = explainedFixture();
  const path = join(folder, "hydra", "sharpness.json");
  const record = JSON.parse(readFileSync(path, "utf8"));
  record.epochs[1].ties.deltas = [0.02, 0.1];
  writeFileSync(path, JSON.stringify(record));
  expect(charts(folder).get("sharpness-ties-layers")?.alt).toContain("within 0.1 root mean squares");
  record.epochs[1].ties.deltas = [];
  writeFileSync(path, JSON.stringify(record));
  expect(charts(folder).get("sharpness-ties")?.alt).not.toContain("hydra 1");
});
