import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { bits, freeModel, tinyData } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { pgdAt } from "../losses/index.js";
import { type Model, resnet18 } from "../models/index.js";
import { disposeParams, saveTensors } from "../nn/index.js";
import { sgd } from "../optim/index.js";
import { hydra, measureSparsity } from "../pruning/index.js";
import { openRun } from "../run/index.js";
import { search } from "../train/index.js";
import { DataError } from "../util/index.js";
import { loadMasks, loadModel, saveMasks, saveModel } from "./model-file.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-model-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { arch: "resnet18", numClasses: 4, width: 4, imageSize: 8 } as const;
const { arch: _arch, ...sizes } = options;
let model: Model;
beforeEach(() => {
  model = resnet18({ ...sizes, seed: 3 });
});
afterEach(() => freeModel(model));

const path = (name: string) => join(folder, `${name}.safetensors`);

function expectSame(read: Model): void {
  expect(bits(read.params, read.buffers)).toEqual(bits(model.params, model.buffers));
  expect(read.spec).toEqual(options);
  freeModel(read);
}

function refusal(load: () => Model): DataError {
  try {
    freeModel(load());
  } catch (error) {
    if (error instanceof DataError) return error;
    throw error;
  }
  throw new Error("expected a DataError");
}

test("a network comes back as it was written, by its own description", () => {
  saveModel(path("model"), model);
  expectSame(loadModel(path("model")));
  expectSame(loadModel(path("model"), options));
});

test("one that says what it is must be the one that is wanted", () => {
  saveModel(path("model"), model);
  expect(refusal(() => loadModel(path("model"), { ...options, width: 8 })).message).toBe(
    `${path("model")}: expected the recipe's model (width 8), got another one (width 4)`,
  );
});

test("other people's safetensors need a description, and must fit it", () => {
  saveTensors(path("plain"), new Map([...model.params, ...model.buffers]));
  expectSame(loadModel(path("plain"), options));
  expect(refusal(() => loadModel(path("plain"))).code).toBe("data/no-architecture");
  saveTensors(path("part"), model.params);
  expect(refusal(() => loadModel(path("part"), options)).message).toMatch(/got missing \[bn1\.running_mean, /);
});

test("the result of a stage is a network, pruned where it has masks; a stage at work is none", async () => {
  const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
  const common = { ...tinyData(), loss: pgdAt(attack), selectionAttack: attack, epochs: 1 };
  const method = hydra({ keepRatio: 0.25 });
  const run = openRun(join(folder, "run"), { seed: 1 });
  const found = await search(model, { ...common, optimizer: sgd({ lr: 0.1 }), method, run });
  const read = loadModel(run.path("checkpoints", "search.safetensors"), options);
  expect(bits(read.buffers)).toEqual(bits(found.model.buffers));
  expect(measureSparsity(read.params, read.prunable).total).toBeCloseTo(0.75, 2);
  saveMasks(path("masks"), found.masks);
  const masks = loadMasks(path("masks"));
  expect(bits(masks)).toEqual(bits(found.masks));
  disposeParams(read.params, read.buffers, masks, found.masks, found.model.params, found.model.buffers);

  using other = openRun(join(folder, "other"), { seed: 1 });
  const asked = { n: 0 };
  const shouldStop = () => ++asked.n > 4;
  await expect(
    search(model, { ...common, optimizer: sgd({ lr: 0.1 }), method, run: other, shouldStop }),
  ).rejects.toThrow("stopped as asked");
  const current = other.path("checkpoints", "current.safetensors");
  expect(refusal(() => loadModel(current, options)).code).toBe("data/unfinished-stage");
  run.close();
});
