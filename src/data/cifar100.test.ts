import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { tarball } from "../../test/support/fake-cifar.js";
import { ops } from "../torch/index.js";
import { DataError } from "../util/index.js";
import { type Cifar100Environment, cifar100 } from "./cifar100.js";
import { COARSE_NAMES, FINE_NAMES } from "./cifar100-names.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-cifar100-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
/** A folder of its own for each test. */
let here: string;
beforeEach(() => {
  here = join(root, `test-${count++}`);
  mkdirSync(here);
});

const COUNTS = [12, 5] as const;
const RECORD = 3074;
const few = { selection: 3, batchSize: 4 };
const environment = (): Cifar100Environment => ({ counts: COUNTS, cache: join(here, "cache") });

/** Records whose fine label is 9 i + shift, in the group that is a fifth of it, of pixels that differ in every byte. */
function records(images: number, shift: number): Buffer {
  const bytes = Buffer.alloc(images * RECORD);
  for (let i = 0; i < bytes.length; i++) {
    const [image, at] = [Math.floor(i / RECORD), i % RECORD];
    const fine = (9 * image + shift) % 100;
    bytes[i] = at === 0 ? Math.floor(fine / 5) : at === 1 ? fine : (image * 89 + at * 57) & 255;
  }
  return bytes;
}

const files = new Map([
  ["train.bin", records(12, 0)],
  ["test.bin", records(5, 3)],
]);

function folder(name: string, change?: (path: string) => void): string {
  const path = join(here, name);
  mkdirSync(path);
  for (const [file, bytes] of files) writeFileSync(join(path, file), bytes);
  change?.(path);
  return path;
}

async function archive(path: string): Promise<string> {
  writeFileSync(path, gzipSync(await tarball("cifar-100-binary", files)));
  return path;
}

async function refusal(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

test("the names are those of the official lists", () => {
  expect([FINE_NAMES.length, COARSE_NAMES.length]).toEqual([100, 20]);
  expect([...FINE_NAMES]).toEqual([...FINE_NAMES].sort());
  expect([...COARSE_NAMES]).toEqual([...COARSE_NAMES].sort());
  expect([FINE_NAMES[0], FINE_NAMES[19], FINE_NAMES[99], COARSE_NAMES[11]]).toEqual([
    "apple",
    "cattle",
    "worm",
    "large_omnivores_and_herbivores",
  ]);
});

describe("labels", () => {
  test("fine ones are the classes, coarse ones when asked for", async () => {
    const source = folder("bin");
    const { train, selection, test: held } = await cifar100({ ...few, source }, environment());
    expect([train.length, selection.length, held.length]).toEqual([9, 3, 5]);
    const { images, labels, numClasses, classNames } = train.dataset;
    expect([images.shape, images.dtype, numClasses]).toEqual([[12, 3, 32, 32], "uint8", 100]);
    expect(labels.toNumbers()).toEqual(Array.from({ length: 12 }, (_, i) => (9 * i) % 100));
    expect(classNames).toBe(FINE_NAMES);
    const image = ops.select(images, 0, 4).toArray() as Uint8Array;
    expect(Buffer.from(image)).toEqual(files.get("train.bin")?.subarray(4 * RECORD + 2, 5 * RECORD));
    const coarse = await cifar100({ ...few, source, labels: "coarse" }, environment());
    expect(coarse.test.dataset.numClasses).toBe(20);
    expect(coarse.test.dataset.labels.toNumbers()).toEqual([0, 2, 4, 6, 7]);
    expect(coarse.test.dataset.images.toArray()).toEqual(held.dataset.images.toArray());
    expect(coarse.test.dataset.source.sha256).toBe(held.dataset.source.sha256);
  });
});

describe("sources", () => {
  test("a folder, what an archive unpacks to, and the archive give the same", async () => {
    const nested = join(here, "nested");
    cpSync(folder("bin"), join(nested, "cifar-100-binary"), { recursive: true });
    const sources = [join(here, "bin"), nested, await archive(join(here, "a.tar.gz"))];
    const found = await Promise.all(sources.map((source) => cifar100({ ...few, source }, environment())));
    expect(new Set(found.map(({ train }) => train.dataset.source.sha256)).size).toBe(1);
    expect(found.map(({ train }) => train.dataset.source.kind)).toEqual(["folder", "folder", "archive"]);
  });

  test("an archive put into the cache folder is unpacked once", async () => {
    const env = environment();
    mkdirSync(env.cache);
    const put = await archive(join(env.cache, "cifar-100-binary.tar.gz"));
    expect((await cifar100({ ...few, offline: true }, env)).train.dataset.source.kind).toBe("archive");
    rmSync(put);
    expect((await cifar100(few, env)).train.dataset.source.kind).toBe("cache");
    expect(readdirSync(join(env.cache, "cifar-100-binary")).sort()).toEqual(["test.bin", "train.bin"]);
  });

  test("nowhere says what to put where", async () => {
    const env = environment();
    expect((await refusal(cifar100(few, env))).message).toBe(
      'cifar100: cache: expected the files, got "none"; put cifar-100-binary.tar.gz (the official binary version) into ' +
        `${env.cache}, or name a folder or archive of it with the option source`,
    );
  });
});

describe("bad bytes", () => {
  const set = (file: string, at: number, value: number) => (path: string) => {
    const bytes = Buffer.from(files.get(file) as Buffer);
    bytes[at] = value;
    writeFileSync(join(path, file), bytes);
  };
  test.each([
    ["a missing file", (path: string) => rmSync(join(path, "test.bin")), /bad: expected the file test.bin, got no/],
    [
      "a cut file",
      (path: string) => truncateSync(join(path, "train.bin"), 12 * RECORD - 1),
      /train.bin: expected 36888 bytes \(12 images of 3074\), got "36887 bytes"/,
    ],
    [
      "a long file",
      (path: string) => writeFileSync(join(path, "train.bin"), Buffer.alloc(12 * RECORD + 1)),
      /train.bin: expected at most 36888 bytes, got 36889/,
    ],
    [
      "a coarse label of 20",
      set("train.bin", 2 * RECORD, 20),
      /train.bin: expected a coarse label .*"20 and 18 at image 2"/,
    ],
    ["a fine label of 100", set("test.bin", 1, 100), /test.bin: expected a coarse label .* got "0 and 100 at image 0"/],
    [
      "a class in two groups",
      set("test.bin", 0, 7),
      /test.bin: expected the coarse label 0 with the fine label 3, as before, got "7 at image 0"/,
    ],
  ])("%s is refused", async (_, change, message) => {
    // The fine label 3 is nowhere else: it is put into the training images too.
    const source = folder("bad", (path) => {
      if (String(message).includes("as before")) set("train.bin", 1, 3)(path);
      change(path);
    });
    const error = await refusal(cifar100({ ...few, source }, environment()));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/get (it|the file) again/);
  });

  test("a cut archive is refused", async () => {
    const source = await archive(join(here, "a.tar.gz"));
    truncateSync(source, 300);
    expect((await refusal(cifar100({ ...few, source }, environment()))).message).toMatch(/whole tar or tar.gz archive/);
  });
});
