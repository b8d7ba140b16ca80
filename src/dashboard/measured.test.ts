// What is read of a run beside its log: masks, and the record of its sharpness.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { makeMasks, makeRun, sharpness } from "../../test/support/dashboard-runs.js";
import { findFolders, realRoots } from "./folders.js";
import { maskDifferences } from "./masks.js";
import { sharpnessOf } from "./sharpness.js";

let top = "";
let root = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "s2ap-measured-"));
  root = join(top, "runs");
  mkdirSync(root);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

function found(...names: readonly string[]) {
  const all = findFolders(realRoots([root]));
  return names.flatMap((name) => all.find(({ path }) => path.endsWith(`/${name}`)) ?? []);
}

test("masks are compared with the first run's, and what cannot be compared is left out", () => {
  for (const name of ["a", "b", "shape", "nothing", "damaged", "link"]) makeRun(join(root, name), []);
  makeMasks(join(root, "a"), { one: [1, 1, 0, 0], two: [1, 0], none: [0] });
  makeMasks(join(root, "b"), { one: [0, 1, 1, 0], two: [1, 0], none: [1] });
  makeMasks(join(root, "shape"), { one: [1, 1, 0, 0], two: [1, 0, 0], none: [0] });
  writeFileSync(join(root, "damaged/masks.safetensors"), "damaged");
  makeMasks(top, { one: [0, 1, 1, 0], two: [1, 0], none: [1] });
  symlinkSync(join(top, "masks.safetensors"), join(root, "link/masks.safetensors"));
  const runs = found("a", "b", "shape", "nothing", "damaged", "link");
  expect(runs).toHaveLength(6);
  expect(maskDifferences(runs)).toEqual({
    layers: ["one", "two", "none"],
    runs: [{ id: runs[1]?.id, total: 1 / 3, layers: [0.5, 0, null] }],
  });
  expect(maskDifferences(found("nothing", "a"))).toEqual({ layers: [], runs: [] });
});

test("a record of sharpness is read where it is sound, and inside the root", () => {
  makeRun(join(root, "a"), []);
  const path = join(root, "a/sharpness.json");
  const read = () => found("a").map(sharpnessOf);
  expect(read()).toEqual([null]);
  writeFileSync(path, JSON.stringify({ ...sharpness, format: 1 }));
  expect(read()).toEqual([sharpness]);
  for (const damaged of ["{", JSON.stringify({ ...sharpness, epochs: [{ epoch: "<b>" }] })]) {
    writeFileSync(path, damaged);
    expect(read()).toEqual([null]);
  }
  rmSync(path);
  writeFileSync(join(top, "sharpness.json"), JSON.stringify(sharpness));
  symlinkSync(join(top, "sharpness.json"), path);
  expect(read()).toEqual([null]);
});
