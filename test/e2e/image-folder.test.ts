// A recipe on a folder of images: all stages, stopped and gone on with, and what is refused.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { imageFolder } from "../../src/data/index.js";
import { assertClassesOf } from "../../src/recipe/class-index.js";
import { loadRecipe, runRecipe } from "../../src/recipe/index.js";
import { registries } from "../../src/recipe/registries.js";
import type { Recipe } from "../../src/recipe/schema.js";
import { readEvents, withoutTimes } from "../../src/run/index.js";
import { buildDist } from "../support/child.js";
import { imageTree, jpeg, writeTree } from "../support/image-tree.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-folder-run-"));
const images = join(base, "images");
const file = fileURLToPath(new URL("../../recipes/image-folder.yaml", import.meta.url));
const bin = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
beforeAll(() => imageTree(images, { train: 14, val: 4 }));
afterAll(() => rmSync(base, { recursive: true, force: true }));

/** Its network with S2AP, pretrained in the same run. */
function recipe(path = images): Recipe {
  const { variants, ...base } = loadRecipe(file, { registries, profile: "tiny", set: [`data.path=${path}`] });
  return { ...base, stages: { ...variants?.s2ap?.stages, ...base.stages } };
}

/** Everything but times. */
const outcome = (out: string) => ({
  model: readFileSync(join(out, "model.safetensors")).toString("base64"),
  masks: readFileSync(join(out, "masks.safetensors")).toString("base64"),
  events: readEvents(out).map(withoutTimes),
});

const whole = join(base, "whole");

test("a ResNet-50 goes through all stages", async () => {
  const { rows } = await runRecipe(recipe(), { out: whole });
  expect(rows[0]?.sparsity).toBeGreaterThan(0.8);
  expect(rows[0]?.examples).toBe(8);
  expect(JSON.parse(readFileSync(join(whole, "classes.json"), "utf8"))).toEqual({
    format: 1,
    classes: ["cat", "dog"],
    leftOut: [],
  });
  const { data } = JSON.parse(readFileSync(join(whole, "run.json"), "utf8")) as { data: object };
  expect(data).toMatchObject({ kind: "image folder", location: images });
});

test("stopped again and again, it ends with the same bits", async () => {
  const out = join(base, "stopped");
  let stops = 0;
  for (const polls of [2, 9, 14, 20, Number.POSITIVE_INFINITY]) {
    let left = polls;
    try {
      await runRecipe(recipe(), { out, shouldStop: () => left-- <= 0 });
    } catch (error) {
      expect((error as { code?: string }).code).toBe("stopped");
      stops++;
    }
  }
  expect(stops).toBe(4);
  expect(outcome(out)).toEqual(outcome(whole));
});

test("other images, and classes that mean others, are refused", async () => {
  const copy = join(base, "copy");
  cpSync(images, copy, { recursive: true });
  const out = join(base, "changing");
  await runRecipe(recipe(copy), { out, only: "pretrain" });
  writeTree(copy, { "train/cat/more.jpg": await jpeg(30, 30) });
  await expect(runRecipe(recipe(copy), { out })).rejects.toThrow(/files were added, removed or changed/);
  for (const part of ["train", "val"]) renameSync(join(copy, part, "cat"), join(copy, part, "eel"));
  const options = { path: copy, imageSize: 32, selection: 4 };
  const { test: others } = await imageFolder(options);
  const learned = /2 classes that the network learned, got 2, of which label 0 is cat there and dog here/;
  expect(() => assertClassesOf(join(whole, "model.safetensors"), others.dataset)).toThrow(learned);
  expect(() => assertClassesOf(join(whole, "checkpoints", "search.safetensors"), others.dataset)).toThrow(learned);
  await expect(runRecipe(recipe(copy), { out: join(base, "from"), from: whole })).rejects.toThrow(learned);
  const { test: same } = await imageFolder({ ...options, path: images });
  assertClassesOf(join(whole, "model.safetensors"), same.dataset);
});

test("Ctrl-C ends the process, with its state saved", async () => {
  buildDist();
  const out = join(base, "interrupted");
  const argv = [
    "run",
    file,
    "--profile",
    "tiny",
    "--set",
    `data.path=${images}`,
    "--set",
    "stages.pretrain.epochs=1000",
  ];
  const child = spawn(process.execPath, [bin, ...argv, "--out", out], { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (said += text));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const begun = () => {
    try {
      return readEvents(join(out, "dense")).some(({ type }) => type === "epoch");
    } catch {
      return false;
    }
  };
  while (!begun() && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 100));
  child.kill("SIGINT");
  expect(await ended, said).toBe(130);
});
