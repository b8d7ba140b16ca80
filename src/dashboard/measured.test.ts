// What is read of a run beside its log: masks, and the records of its sharpness and its landscapes.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  landscapeRecord,
  makeLandscape,
  makeMasks,
  makeRun,
  sharpness,
  sharpnessOfLayers,
} from "../../test/support/dashboard-runs.js";
import { findFolders, realRoots } from "./folders.js";
import { landscapesOf } from "./landscapes.js";
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
  writeFileSync(path, JSON.stringify(sharpnessOfLayers));
  expect(read()).toEqual([sharpnessOfLayers]);
  for (const damaged of ["{", JSON.stringify({ ...sharpness, epochs: [{ epoch: "<b>" }] })]) {
    writeFileSync(path, damaged);
    expect(read()).toEqual([null]);
  }
  rmSync(path);
  writeFileSync(join(top, "sharpness.json"), JSON.stringify(sharpness));
  symlinkSync(join(top, "sharpness.json"), path);
  expect(read()).toEqual([null]);
});

describe("landscapes", () => {
  const read = () => {
    const [answer] = found("a").map(landscapesOf);
    if (answer === undefined) throw new Error("no run a");
    return answer;
  };
  beforeEach(() => makeRun(join(root, "a"), []));

  test("are there as far as they are computed, by the names of their files", () => {
    expect(read()).toEqual({ id: found("a")[0]?.id, landscapes: [], problems: [] });
    makeLandscape(join(root, "a"), landscapeRecord(1, { directions: ["eigen1"] }), "landscape-eigen.json");
    makeLandscape(join(root, "a"), landscapeRecord(2, { done: 7 }));
    makeLandscape(join(root, "a"), landscapeRecord(3), "my-landscape.json");
    const { landscapes, problems } = read();
    expect(problems).toEqual([]);
    expect(landscapes.map(({ file }) => file)).toEqual(["landscape-eigen.json", "landscape.json"]);
    const [line, plane] = landscapes;
    expect(line).toMatchObject({ x: { name: "eigen1", at: [-1, -0.5, 0, 0.5, 1] }, y: null });
    expect(line?.loss).toEqual([[2.5, 1.75, 1.5, 1.75, 2.5]]);
    expect(plane).toMatchObject({ y: { name: "random" }, epoch: 2, attack: "pgd-10", drawn: "robust", dataHash: "a" });
    expect(plane?.loss.flat().filter((value) => value !== null)).toHaveLength(7);
    expect(plane?.loss.map((row) => row.length)).toEqual([5, 5, 5, 5, 5]);
  });

  test("that are just begun are there too", () => {
    makeLandscape(join(root, "a"), landscapeRecord(2, { done: 0 }));
    expect(read().landscapes[0]?.loss.flat()).toEqual(Array(25).fill(null));
  });

  const whole = landscapeRecord(1);
  const axes = (...all: readonly unknown[]) => ({ ...whole, settings: { ...whole.settings, axes: all } });
  const axis = whole.settings.axes[0];
  test.each<[string, unknown]>([
    ["half a file", "{"],
    ["no object", "[1]"],
    ["no settings", JSON.stringify({ losses: [[1]] })],
    ["a row too few", JSON.stringify({ ...whole, losses: whole.losses.slice(1) })],
    ["rows of other lengths", JSON.stringify({ ...whole, losses: whole.losses.map((row) => row.slice(1)) })],
    ["three axes", JSON.stringify(axes(axis, axis, axis))],
    ["coordinates that descend", JSON.stringify(axes(axis, { ...axis, coordinates: [1, 0.5, 0, -0.5, -1] }))],
    ["coordinates without end", JSON.stringify(axes(axis, axis)).replace("-0.5", "1e999")],
    ["a direction that is no text", JSON.stringify(axes({ ...axis, direction: { toString: "x" } }, axis))],
  ])("of %s are named, and the others are there", (_, text) => {
    makeLandscape(join(root, "a"), whole);
    writeFileSync(join(root, "a/landscape-b.json"), String(text));
    const { landscapes, problems } = read();
    expect(landscapes.map(({ file }) => file)).toEqual(["landscape.json"]);
    expect(problems).toEqual([expect.stringMatching(/^landscape-b\.json: expected what s2ap landscape wrote, got /)]);
  });

  test("are bounded: bytes, points and files", () => {
    makeLandscape(join(root, "a"), landscapeRecord(1, { points: 101 }), "landscape-points.json");
    writeFileSync(join(root, "a/landscape-bytes.json"), JSON.stringify(whole));
    truncateSync(join(root, "a/landscape-bytes.json"), 4 * 2 ** 20 + 1);
    expect(read()).toMatchObject({
      landscapes: [],
      problems: [
        "landscape-bytes.json: expected a landscape of at most 4 MiB, got 4194305 bytes",
        "landscape-points.json: expected at most 10,000 points to draw, got 10201; s2ap report draws them",
      ],
    });
    for (let i = 0; i < 10; i++) makeLandscape(join(root, "a"), whole, `landscape-${i}.json`);
    expect(read().landscapes).toHaveLength(8);
    expect(read().problems).toEqual(["Only the first 8 of 12 landscapes are shown."]);
  });

  test("behind links that lead out of the root, and folders of that name, are not there", () => {
    makeLandscape(top, whole, "landscape.json");
    symlinkSync(join(top, "landscape.json"), join(root, "a/landscape.json"));
    symlinkSync("/dev/zero", join(root, "a/landscape-zero.json"));
    mkdirSync(join(root, "a/landscape-folder.json"));
    expect(read()).toMatchObject({ landscapes: [], problems: [] });
  });

  test("keep what their files and directions are called as it is, on one line", () => {
    const name = "landscape-<b>\u202e.json";
    makeLandscape(join(root, "a"), landscapeRecord(1, { directions: ["<script>", "__proto__"] }), name);
    makeLandscape(join(root, "a"), whole, "landscape-\n.json");
    const { landscapes, problems } = read();
    expect(landscapes.map(({ file, x, y }) => [file, x.name, y?.name])).toEqual([
      ["landscape-<b> .json", "<script>", "__proto__"],
    ]);
    expect(problems).toEqual([]);
  });
});
