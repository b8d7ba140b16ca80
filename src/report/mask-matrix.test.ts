import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { packed } from "../pruning/packed-mask.js";
import { keepMasks, maskFile } from "../train/kept-masks.js";
import { collect } from "./collect.js";
import { maskMatrixBlocks } from "./mask-matrix.js";
import { readEpochMasks } from "./read-epoch-masks.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-matrix-"));
afterAll(() => {
  removeFolders();
  rmSync(base, { recursive: true, force: true });
});

test("a heat map for each run that kept masks, with its numbers", () => {
  const blocks = maskMatrixBlocks(collect([explainedFixture()]));
  const block = blocks.find(({ kind }) => kind === "charts");
  if (block?.kind !== "charts") throw new Error("expected charts");
  expect(block.charts.map(({ title }) => title)).toEqual([
    "hydra, epochs with one another",
    "hydra-s2ap, epochs with one another",
  ]);
  // Three epochs: nine cells and the ten of the key.
  for (const chart of block.charts) {
    expect(chart.draw().match(/V[\d.]+H[\d.]+Z/g)).toHaveLength(9);
    expect(chart.draw()).not.toMatch(/NaN|undefined|<circle/);
  }
  expect(block.numbers?.rows.map((row) => row.slice(0, 3))).toEqual(
    ["hydra", "hydra-s2ap"].flatMap((name) => [
      [name, "0", "3"],
      [name, "0", "4"],
      [name, "3", "4"],
    ]),
  );
});

test("of many epochs 21, of one none, and a damaged file is named", () => {
  const keep = (epoch: number) =>
    keepMasks(base, epoch, new Map([["w", packed([16], Uint8Array.of(0b11110000, epoch), "w")]]));
  keep(0);
  expect(readEpochMasks(base, [])).toBeNull();
  for (let epoch = 1; epoch <= 60; epoch++) keep(epoch);
  const found = readEpochMasks(base, []);
  expect(found?.epochs).toEqual(Array.from({ length: 21 }, (_, i) => 3 * i));
  expect(found?.jaccard[0]?.[1]).toBe(4 / 6);
  writeFileSync(maskFile(base, 30), "other");
  const problems: string[] = [];
  expect(readEpochMasks(base, problems)).toBeNull();
  expect(problems).toEqual([expect.stringMatching(/epoch-0030.safetensors cannot be read\.$/)]);
});
