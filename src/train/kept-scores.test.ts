// What a search leaves of chosen epochs: which ones, the same bits after a stop, and scores that give the masks.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bits, freeModel, tinyNet } from "../../test/support/tiny.js";
import { searchedIn, type TinySearch } from "../../test/support/tiny-search.js";
import { disposeParams } from "../nn/index.js";
import { hydra } from "../pruning/index.js";
import { liveTensors, scope } from "../torch/index.js";
import { type KeepEpochs, keeps } from "./kept-epochs.js";
import { keptEpochs, loadScores } from "./kept-scores.js";
import { StoppedError } from "./options.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-kept-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const model = tinyNet();
const method = hydra({ keepRatio: 0.3 });
const searched = (name: string, asked: TinySearch) => searchedIn(join(base, name), model, { method, ...asked });

test.each<[KeepEpochs | undefined, readonly number[]]>([
  [undefined, [0, 6]],
  ["none", []],
  [
    [2, 4, 9],
    [0, 2, 4, 6],
  ],
  [[], [0, 6]],
  [{ every: 4 }, [0, 4, 6]],
])("%j keeps %j of six epochs", (choice, wanted) => {
  expect([0, 1, 2, 3, 4, 5, 6].filter((done) => keeps(choice, done, 6))).toEqual(wanted);
});

test("scores of chosen epochs are in the run folder, the last ones giving the masks", async () => {
  const live = liveTensors();
  const { folder, found } = await searched("whole", { keepScores: [1] });
  expect(keptEpochs(folder)).toEqual([0, 1, 3]);
  const kept = loadScores(folder, 3);
  const masks = scope(() => method.masks({ scores: kept.scores }));
  expect(bits(masks)).toEqual(bits(found.masks));
  expect(bits(kept.buffers)).toEqual(bits(found.model.buffers));
  expect([...kept.params.keys()]).toEqual([...model.params.keys()].filter((name) => !model.prunable.includes(name)));
  const first = loadScores(folder, 0);
  expect(bits(first.buffers)).toEqual(bits(model.buffers));
  expect(bits(first.scores)).not.toEqual(bits(kept.scores));
  for (const { scores, trained, params, buffers } of [kept, first]) disposeParams(scores, trained, params, buffers);
  disposeParams(masks, found.masks, found.model.params, found.model.buffers);
  expect(liveTensors()).toBe(live);

  // Stopped in the middle of the second epoch, and gone on with.
  await expect(searched("stopped", { keepScores: [1], stopAfter: 14 })).rejects.toThrow(StoppedError);
  expect(keptEpochs(join(base, "stopped"))).toEqual([0, 1]);
  const { found: resumed } = await searched("stopped", { keepScores: [1] });
  for (const done of [0, 1, 3]) {
    const file = join("scores", `epoch-000${done}.safetensors`);
    expect(readFileSync(join(base, "stopped", file)).equals(readFileSync(join(folder, file))), file).toBe(true);
  }
  disposeParams(resumed.masks, resumed.model.params, resumed.model.buffers);
});

test("nothing is left where nothing is to be kept", async () => {
  const { folder, found } = await searched("none", { keepScores: "none" });
  expect(existsSync(join(folder, "scores"))).toBe(false);
  expect(keptEpochs(folder)).toEqual([]);
  disposeParams(found.masks, found.model.params, found.model.buffers);
  freeModel(model);
});
