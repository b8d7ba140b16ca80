// The first of the README's two commands, in its tiny form: the same path on generated images.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import type { Row } from "../../src/recipe/row.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = mkdtempSync(join(tmpdir(), "s2ap-quickstart-"));
afterAll(() => rmSync(out, { recursive: true, force: true }));

function quickstart(): { lines: string[]; stderr: string; status: number | null } {
  const args = ["run", "--silent", "quickstart", "--", "--tiny", "--out", out];
  const { stdout, stderr, status } = spawnSync("npm", args, {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { lines: stdout.trimEnd().split("\n"), stderr, status };
}

const rowsOf = (path: string) => (JSON.parse(readFileSync(path, "utf8")) as { rows: Row[] }).rows;
const masksOf = (name: string) => readSafetensors(join(out, name, "masks.safetensors")).tensors;

let first: ReturnType<typeof quickstart>;
let rows: Row[];
beforeAll(() => {
  first = quickstart();
  if (first.status !== 0) throw new Error(first.stderr);
  rows = rowsOf(join(out, "results.json"));
}, 400_000);

test("the last line is the report's path, and the results lie beside it", () => {
  const report = first.lines.at(-1) ?? "";
  expect(report.endsWith("report.html")).toBe(true);
  expect(readFileSync(report, "utf8")).toMatch(/^<!doctype html>/i);
  expect(existsSync(join(out, "report.md"))).toBe(true);
});

test("every row says what was measured, and the pruned ones are pruned", () => {
  expect(rows.map((row) => row.name)).toEqual(["dense", "hydra", "hydra-s2ap", "magnitude"]);
  for (const row of rows) {
    expect(row.examples).toBe(128);
    expect(row.eps).toBe("4/255");
    expect(row.attack).toBe("pgd-20");
    expect(row.robustAccuracy).toBeLessThanOrEqual(row.cleanAccuracy);
    expect(row.robustInterval[0]).toBeLessThanOrEqual(row.robustAccuracy);
    expect(row.robustInterval[1]).toBeGreaterThanOrEqual(row.robustAccuracy);
    expect(row.passes).toBeGreaterThan(0);
    if (row.name === "dense") expect(row.sparsity).toBeLessThan(0.01);
    else expect(Math.abs(row.sparsity - 0.9)).toBeLessThan(0.001);
  }
});

test("S2AP swaps weights, spends more passes, and ends at another mask than HYDRA", () => {
  const [, plain, s2ap] = rows;
  expect(plain?.swapFraction).toBeNull();
  expect(s2ap?.swapFraction).toBeGreaterThan(0);
  // 16 of the 32 search steps are behind the warm-up; each spends one more forward and one more backward.
  expect((s2ap?.passes ?? 0) - (plain?.passes ?? 0)).toBe(32);
  const [a, b] = [masksOf("hydra"), masksOf("hydra-s2ap")];
  const differing = [...a].some(
    ([name, mask]) => Buffer.compare(mask.data, b.get(name)?.data ?? new Uint8Array()) !== 0,
  );
  expect(differing).toBe(true);
});

test("masks and weights agree: a weight is zero where its mask is", () => {
  const weights = readSafetensors(join(out, "hydra-s2ap", "model.safetensors")).tensors;
  for (const [name, mask] of masksOf("hydra-s2ap")) {
    const data = weights.get(name)?.data as Uint8Array;
    const values = new Float32Array(data.slice().buffer);
    expect(mask.data.some((bit, i) => bit === 0 && values[i] !== 0)).toBe(false);
  }
});

test("a second run has nothing left to train and gives the same results", () => {
  const before = readFileSync(join(out, "results.json"), "utf8");
  const model = statSync(join(out, "hydra", "model.safetensors")).mtimeMs;
  const again = quickstart();
  expect(again.status).toBe(0);
  expect(again.lines.at(-1)).toBe(first.lines.at(-1));
  expect(readFileSync(join(out, "results.json"), "utf8")).toBe(before);
  expect(statSync(join(out, "hydra", "model.safetensors")).mtimeMs).toBe(model);
}, 200_000);
