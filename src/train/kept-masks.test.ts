// What a search leaves of its epochs' masks: of which epochs, that they are the masks that it logged, and the same bytes after a stop.
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { bits, freeModel, tinyNet } from "../../test/support/tiny.js";
import { searchedIn, type TinySearch } from "../../test/support/tiny-search.js";
import { disposeParams, saveTensors } from "../nn/index.js";
import { harp, hydra, magnitude, maskDistance, packMasks, unpackMasks } from "../pruning/index.js";
import { liveTensors, scope, tensor } from "../torch/index.js";
import { keeps } from "./kept-epochs.js";
import { everyMask, keptMasks, loadKeptMasks, maskFile } from "./kept-masks.js";
import { StoppedError } from "./options.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-masks-"));
const model = tinyNet();
afterAll(() => {
  freeModel(model);
  rmSync(base, { recursive: true, force: true });
});

const searched = (name: string, asked: TinySearch = {}) => searchedIn(join(base, name), model, asked);
const free = ({ found }: Awaited<ReturnType<typeof searched>>) =>
  disposeParams(found.masks, found.model.params, found.model.buffers);
const filesIn = (folder: string) => readdirSync(join(folder, "masks")).sort();
const bytesIn = (folder: string) => filesIn(folder).map((file) => readFileSync(join(folder, "masks", file)));

test("of long searches, a hundred masks beside the start at most, the last among them", () => {
  for (const epochs of [1, 20, 100, 101, 199, 250, 1000]) {
    const kept = Array.from({ length: epochs + 1 }, (_, done) => done).filter((done) =>
      keeps(everyMask(epochs), done, epochs),
    );
    expect([kept[0], kept.at(-1)]).toEqual([0, epochs]);
    if (epochs <= 100) expect(kept.length).toBe(epochs + 1);
    else expect(kept.length).toBeGreaterThan(50);
    expect(kept.length).toBeLessThanOrEqual(101);
  }
});

describe.each([
  ["hydra", hydra({ keepRatio: 0.3 })],
  ["harp", harp({ keepRatio: 0.3 })],
])("%s", (name, method) => {
  test("leaves the masks that it logged, the last being what it found", async () => {
    const live = liveTensors();
    const whole = await searched(name, { method });
    const { folder, found } = whole;
    expect(keptMasks(folder)).toEqual([0, 1, 2, 3]);
    scope(() => {
      const all = [0, 1, 2, 3].map((done) => unpackMasks(loadKeptMasks(folder, done)));
      expect([...packMasks(found.masks)]).toEqual([...loadKeptMasks(folder, 3)]);
      expect(found.history.length).toBe(3);
      for (const [i, { maskDistance: logged, sparsity }] of found.history.entries()) {
        const [before, now] = [all[i], all[i + 1]];
        if (!before || !now) throw new Error("every epoch has masks");
        expect(maskDistance(now, before)).toEqual(logged);
        const zeros =
          now
            .get("linear.weight")
            ?.toNumbers()
            .filter((bit) => bit === 0).length ?? 0;
        expect(zeros / (now.get("linear.weight")?.numel ?? 0)).toBe(sparsity?.layers["linear.weight"]);
      }
      expect(found.history.some((epoch) => (epoch.maskDistance?.hamming ?? 0) > 0)).toBe(true);
    });
    free(whole);
    expect(liveTensors()).toBe(live);
  });
});

test("a search that was stopped leaves the same bytes, whatever lay there of later epochs", async () => {
  const whole = await searched("whole");
  await expect(searched("stopped", { stopAfter: 14 })).rejects.toThrow(StoppedError);
  const folder = join(base, "stopped");
  expect(filesIn(folder)).toEqual(["epoch-0000.safetensors", "epoch-0001.safetensors"]);
  // As a process leaves them that was killed behind the checkpoint: a whole file, one of nowhere, and half of one.
  copyFileSync(maskFile(folder, 0), maskFile(folder, 2));
  copyFileSync(maskFile(folder, 0), maskFile(folder, 7));
  writeFileSync(join(folder, "masks", ".epoch-0002.safetensors.1-0123abcd.tmp"), "half");
  const again = await searched("stopped");
  expect(filesIn(folder)).toEqual(filesIn(whole.folder));
  expect(bytesIn(folder)).toEqual(bytesIn(whole.folder));
  expect(bits(again.found.masks)).toEqual(bits(whole.found.masks));
  free(whole);
  free(again);
});

test("is small: a bit a weight", async () => {
  const { folder } = { folder: join(base, "whole") };
  const weights = [...loadKeptMasks(folder, 1).values()].reduce(
    (sum, { shape }) => sum + shape.reduce((a, b) => a * b),
    0,
  );
  const header = 2000;
  expect(readFileSync(maskFile(folder, 1)).length).toBeLessThan(weights / 8 + header);
});

test("of chosen epochs, of none, and of no search", async () => {
  const some = await searched("some", { keepMasks: { every: 2 } });
  expect(keptMasks(some.folder)).toEqual([0, 2, 3]);
  const none = await searched("none", { keepMasks: "none" });
  const unsearched = await searched("magnitude", { method: magnitude({ keepRatio: 0.3 }), epochs: 0 });
  for (const { folder } of [none, unsearched]) {
    expect(existsSync(join(folder, "masks"))).toBe(false);
    expect(keptMasks(folder)).toEqual([]);
  }
  for (const each of [some, none, unsearched]) free(each);
});

test("a damaged file is refused, and so is one that holds other tensors", () => {
  const folder = join(base, "whole");
  const path = maskFile(folder, 2);
  const file = readFileSync(path);
  file[file.length - 1] = (file.at(-1) as number) ^ 0x80;
  writeFileSync(path, file);
  expect(() => loadKeptMasks(folder, 2)).toThrow(/epoch-0002.safetensors: expected SHA-256 .* the file is damaged/);
  scope(() => saveTensors(path, new Map([["w", tensor([1, 0])]])));
  expect(() => loadKeptMasks(folder, 2)).toThrow(/expected packed masks with their shapes, got other safetensors/);
  expect(() => loadKeptMasks(folder, 8)).toThrow(/epoch-0008.safetensors: cannot read: there is no such file/);
});
