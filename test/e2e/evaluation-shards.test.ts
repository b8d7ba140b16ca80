// An evaluation in several processes from the command line, over four blocks of images: the bits of one process.
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { buildDist } from "../support/child.js";
import { backwardOf, claimOf, network, runEval, withoutCosts, writeImages } from "../support/eval-process.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-shards-"));
afterAll(() => rmSync(folder, { recursive: true }));

const images = join(folder, "images.safetensors");
const argv = [
  ...network,
  "--images",
  images,
  "--preset",
  "aa-standard",
  "--eps",
  "0.15",
  "--seed",
  "7",
  "--steps",
  "3",
];
const reference = join(folder, "reference");
let whole: unknown;

beforeAll(async () => {
  buildDist();
  // Three whole blocks of 128 and a part.
  writeImages(images, 3 * 128 + 20);
  const { status, answer } = await runEval([...argv, "--out", reference]);
  expect(status).toBe(0);
  expect(answer.examples).toBe(404);
  whole = withoutCosts(answer);
});

async function expectWhole(record: string, more: readonly string[] = []): Promise<void> {
  const { status, answer, stderr } = await runEval([...argv, "--out", record, ...more]);
  expect(status, `${stderr}${JSON.stringify(answer)}`).toBe(0);
  expect(withoutCosts(answer)).toEqual(whole);
  expect(claimOf(record)).toEqual(claimOf(reference));
  expect(backwardOf(record)).toBe(backwardOf(reference));
}

const parts = (record: string) =>
  readdirSync(record)
    .filter((name) => name.startsWith("shard-"))
    .sort();

test.each([2, 3])("%i processes", async (shards) => {
  const record = join(folder, `of-${shards}`);
  await expectWhole(record, ["--shards", `${shards}`]);
  expect(parts(record)).toEqual(Array.from({ length: shards }, (_, i) => `shard-${i}`));
});

test("without being asked, as many processes as there are threads", async () => {
  const record = join(folder, "unasked");
  await expectWhole(record, ["--threads", "2"]);
  expect(parts(record)).toEqual(["shard-0", "shard-1"]);
});

test("one process for one block, and where all of them have to know what is decided", async () => {
  const [block, question] = [join(folder, "block"), join(folder, "question")];
  expect((await runEval([...argv, "--out", block, "--threads", "2", "--examples", "128"])).status).toBe(0);
  const until = ["--until", "robust < 0.99"];
  expect((await runEval([...argv, "--out", question, "--threads", "2", ...until])).answer.verdict.answer).toBe(true);
  expect([parts(block), parts(question)]).toEqual([["shard-0"], ["shard-0"]]);
});

// A unit of work belongs to no process: whoever comes next takes what is not done.
test.each([
  ["one of two, by three", ["2/2"], ["--shards", "3"]],
  ["one of three, by two", ["3/3"], ["--shards", "2"]],
  ["two of three, by one process", ["1/3", "2/3"], []],
])("begun by %s: goes on to the same bits", async (name, done, more) => {
  const record = join(folder, name.replaceAll(/\W/g, "-"));
  for (const shard of done) expect((await runEval([...argv, "--out", record, "--shard", shard])).status).toBe(0);
  expect(existsSync(join(record, "result.json"))).toBe(false);
  await expectWhole(record, more);
});

test("a finished record asked for by other numbers of processes is taken as it is", async () => {
  const record = join(folder, "again");
  cpSync(reference, record, { recursive: true });
  await expectWhole(record, ["--shards", "2"]);
  expect(parts(record)).toEqual(["shard-0", "shard-1"]);
});

test("a shard that is none is refused", async () => {
  const { status, answer } = await runEval([...argv, "--out", join(folder, "none"), "--shard", "3/2"]);
  expect(status).toBe(2);
  expect(answer.error.message).toMatch(/0 <= index < of/);
});
