// An evaluation from the command line that is killed at random moments and run again: the bits of one that was not.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rng } from "../../src/util/index.js";
import { buildDist } from "../support/child.js";
import {
  backwardOf,
  claimOf,
  network,
  nextWriter,
  runEval,
  startEval,
  withoutCosts,
  writeImages,
  writerOf,
} from "../support/eval-process.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-kill-"));
afterAll(() => rmSync(folder, { recursive: true }));

const images = join(folder, "images.safetensors");
const attacked = ["--preset", "aa-standard", "--norm", "linf", "--eps", "0.15", "--seed", "5", "--steps", "4"];
const argv = [...network, "--images", images, ...attacked];
const reference = join(folder, "reference");
/** Its answer, and the milliseconds of writing the record in one go. */
let whole: unknown;
let duration = 0;

beforeAll(async () => {
  buildDist();
  writeImages(images, 140);
  const running = startEval([...argv, "--out", reference]);
  expect(await nextWriter(reference, 0, undefined, running)).toBe(running.child.pid);
  const begun = performance.now();
  const { stdout, status } = await running.ended;
  duration = performance.now() - begun;
  expect(status).toBe(0);
  whole = JSON.parse(stdout);
});

/** Kills all processes of an evaluation a while after a new one began to write; says whether that ended it. */
async function killAfter(record: string, milliseconds: number, more: readonly string[] = []): Promise<boolean> {
  const before = writerOf(record);
  const running = startEval([...argv, "--out", record, ...more]);
  if ((await nextWriter(record, 0, before, running)) === undefined) return false;
  await sleep(milliseconds);
  try {
    process.kill(-(running.child.pid as number), "SIGKILL");
  } catch {
    // It was done.
  }
  return (await running.ended).signal === "SIGKILL";
}

async function expectWhole(record: string, more: readonly string[] = []): Promise<void> {
  const { status, answer, stderr } = await runEval([...argv, "--out", record, ...more]);
  expect(status, `${stderr}${JSON.stringify(answer)}`).toBe(0);
  expect(withoutCosts(answer)).toEqual(withoutCosts(whole));
  expect(claimOf(record)).toEqual(claimOf(reference));
  expect(backwardOf(record)).toBe(backwardOf(reference));
}

test("killed at eight random moments", { timeout: 240_000 }, async () => {
  const draws = rng(0, "kill");
  let [kills, records] = [0, 0];
  const record = () => join(folder, `killed-${records}`);
  while (kills < 8) {
    // What is done is not done again: after some kills one comes too late, and the next ones meet a new record.
    if (await killAfter(record(), draws.uniform() * (duration / 2))) kills++;
    else {
      await expectWhole(record());
      records++;
    }
  }
  await expectWhole(record());
});

test("two processes killed with the one that started them", { timeout: 240_000 }, async () => {
  const record = join(folder, "killed-shards");
  expect(await killAfter(record, duration / 4, ["--shards", "2"])).toBe(true);
  await expectWhole(record, ["--shards", "2"]);
});

test("one of two processes killed: the command ends with an error, and its repetition to the same bits", {
  timeout: 240_000,
}, async () => {
  const record = join(folder, "killed-shard");
  const running = startEval([...argv, "--out", record, "--shards", "2"]);
  const writer = await nextWriter(record, 1, undefined, running);
  expect(writer).toBeDefined();
  await sleep(0.1 * duration);
  process.kill(writer as number, "SIGKILL");
  const { status, stdout } = await running.ended;
  expect(status).toBe(1);
  expect(JSON.parse(stdout).error.message).toMatch(/process 2\/2 ended with a signal/);
  await expectWhole(record, ["--shards", "2"]);
});
