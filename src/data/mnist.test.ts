import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { fakeMnist, idxFile } from "../../test/support/fake-idx.js";
import { ops } from "../torch/index.js";
import { DataError, rng, sha256 } from "../util/index.js";
import { cacheFolder } from "./fetch.js";
import { fashionMnist, type MnistEnvironment, mnist } from "./mnist.js";
import { contentHash, fileHashes } from "./source.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-mnist-"));
afterAll(() => rmSync(root, { recursive: true }));
let count = 0;
/** A folder of its own for each test. */
let here: string;
beforeEach(() => {
  here = join(root, `test-${count++}`);
  mkdirSync(here);
});

const COUNTS = [20, 10] as const;
const few = { selection: 4, batchSize: 8 };

function environment(given: Partial<MnistEnvironment> = {}): MnistEnvironment {
  return { counts: COUNTS, cache: join(here, "cache", "mnist"), places: [], sha256: {}, ...given };
}

async function refusal(promise: Promise<unknown>): Promise<DataError> {
  const error: unknown = await promise.then(
    () => new Error("accepted"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DataError);
  return error as DataError;
}

function script(name: string, body: string): string {
  const path = join(here, name);
  writeFileSync(path, `#!${process.execPath}\nconst fs = require("node:fs");\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

/** Stand-ins for apt-get and dpkg-deb that deliver Debian's package with these files. */
function debian(files: string) {
  const log = JSON.stringify(join(here, "asked"));
  return {
    aptGet: script(
      "apt-get.cjs",
      `fs.appendFileSync(${log}, process.argv.slice(2).join(" ") + "\\n"); fs.writeFileSync("set_1_all.deb", "");`,
    ),
    dpkgDeb: script(
      "dpkg-deb.cjs",
      `const [, , what, file, to] = process.argv;
if (what !== "--extract" || !fs.existsSync(file)) process.exit(2);
fs.cpSync(${JSON.stringify(files)}, to + "/usr/share/datasets/fashion-mnist", { recursive: true });`,
    ),
  };
}

describe("a folder of the four files", () => {
  test("plain and in gzip give the same tensors, in the files' order", async () => {
    const files = fakeMnist(join(here, "plain"), COUNTS);
    fakeMnist(join(here, "packed"), COUNTS, { gzip: true });
    const { train, selection, test: held } = await mnist({ ...few, source: join(here, "plain") }, environment());
    expect([train.length, selection.length, held.length]).toEqual([16, 4, 10]);
    const { images, labels, numClasses, classNames, source } = train.dataset;
    expect([images.shape, images.dtype, labels.dtype, numClasses]).toEqual([[20, 1, 28, 28], "uint8", "int64", 10]);
    expect(classNames[7]).toBe("7");
    const bytes = files.get("train-images-idx3-ubyte") as Buffer;
    expect(Buffer.from(images.toArray() as Uint8Array)).toEqual(bytes.subarray(16));
    expect(labels.toNumbers()).toEqual([...(files.get("train-labels-idx1-ubyte") as Buffer).subarray(8)]);
    const last = ops.select(held.dataset.images, 0, 9).toArray() as Uint8Array;
    expect(Buffer.from(last)).toEqual((files.get("t10k-images-idx3-ubyte") as Buffer).subarray(-784));
    expect(source).toEqual({
      kind: "folder",
      location: join(here, "plain"),
      sha256: sha256(Buffer.from(Array.from(files, ([name, b]) => `${sha256(b)}  ${name}\n`).join(""))),
    });
    const packed = await mnist({ ...few, source: join(here, "packed") }, environment());
    expect(packed.train.dataset.source.sha256).toBe(source.sha256);
    expect(packed.test.dataset.images.toArray()).toEqual(held.dataset.images.toArray());
    expect(existsSync(environment().cache)).toBe(false);
  });

  test("digits are cropped and not mirrored, clothes are both, unless told otherwise", async () => {
    const source = join(here, "plain");
    fakeMnist(source, COUNTS);
    const env = environment();
    expect((await mnist({ ...few, source }, env)).train).toMatchObject({ augment: true, flip: false });
    expect((await mnist({ ...few, source, flip: true }, env)).train.flip).toBe(true);
    const clothes = await fashionMnist({ ...few, source }, env);
    expect(clothes.train).toMatchObject({ augment: true, flip: true });
    expect(clothes.train.dataset.classNames[9]).toBe("Ankle boot");
    const { x } = clothes.train.batch(0, 0, rng(1, "train"));
    expect([x.shape, x.dtype]).toEqual([[8, 1, 28, 28], "float32"]);
  });

  const images = "train-images-idx3-ubyte";
  const labels = "t10k-labels-idx1-ubyte";
  test.each([
    [
      "a missing file",
      images,
      undefined,
      /: expected the file train-images-idx3-ubyte or train-images-idx3-ubyte.gz, got/,
    ],
    [
      "too few images",
      images,
      idxFile([19, 28, 28], new Uint8Array(19 * 784)),
      /shape \[20,28,28\], got "\[19,28,28\]"/,
    ],
    [
      "larger images",
      images,
      idxFile([20, 32, 32], new Uint8Array(20 * 1024)),
      /shape \[20,28,28\], got "\[20,32,32\]"/,
    ],
    ["labels in place of images", images, idxFile([20], new Uint8Array(20)), /expected 3 dimensions, got 1/],
    ["too many labels", labels, idxFile([11], new Uint8Array(11)), /shape \[10\], got "\[11\]"/],
    [
      "a label of 10",
      labels,
      idxFile([10], Uint8Array.of(0, 9, 0, 10, 0, 0, 0, 0, 0, 0)),
      /from 0 to 9, got "10 at image 3"/,
    ],
    [
      "a web page",
      labels,
      Buffer.from("<!DOCTYPE html><html>"),
      /expected an idx file, which begins with two zero bytes/,
    ],
  ])("%s is refused", async (_, name, bytes, message) => {
    const source = join(here, "spoilt");
    fakeMnist(source, COUNTS);
    if (bytes) writeFileSync(join(source, name), bytes);
    else rmSync(join(source, name));
    const error = await refusal(mnist({ ...few, source }, environment()));
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/get the .*again$/);
    expect(error.message).toContain(source);
  });

  test("a file in place of the folder is refused", async () => {
    const source = join(here, "file");
    writeFileSync(source, "");
    expect((await refusal(mnist({ ...few, source }, environment()))).message).toBe(
      `${source}: expected a folder with the four idx files, got "a file"`,
    );
  });

  test("known hashes are checked, of what is unpacked", async () => {
    const source = join(here, "packed");
    const hashes = fileHashes(fakeMnist(source, COUNTS, { gzip: true }));
    const env = environment({ sha256: hashes });
    const { train } = await fashionMnist({ ...few, source }, env);
    expect(train.dataset.source.sha256).toBe(contentHash(hashes));
    const spoilt = idxFile([20], new Uint8Array(20));
    writeFileSync(join(source, "train-labels-idx1-ubyte.gz"), gzipSync(spoilt));
    const error = await refusal(fashionMnist({ ...few, source }, env));
    expect(error.code).toBe("data/hash");
    expect(error.message).toMatch(
      /train-labels-idx1-ubyte: expected SHA-256 [0-9a-f]{64} \(unpacked\), got "[0-9a-f]{64}"/,
    );
  });

  test("options are checked before anything is read", async () => {
    await expect(mnist({ selection: 20 }, environment())).rejects.toThrow(
      "mnist: expected selection to be a whole number in [0, 19], got 20",
    );
  });
});

describe("without a source", () => {
  test("MNIST nowhere says which files to put where", async () => {
    const env = environment();
    const error = await refusal(mnist(few, env));
    expect(error.code).toBe("data/download");
    expect(error.message).toBe(
      'mnist: cache: expected the files, got "none"; put train-images-idx3-ubyte, train-labels-idx1-ubyte, ' +
        `t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (each plain or as .gz) into ${env.cache}, ` +
        "or name a folder of them with the option source",
    );
  });

  test("files put into the cache are taken; what is wrong with them is said", async () => {
    const env = environment();
    fakeMnist(env.cache, COUNTS, { gzip: true });
    expect((await mnist(few, env)).train.dataset.source).toMatchObject({ kind: "cache", location: env.cache });
    rmSync(join(env.cache, "t10k-labels-idx1-ubyte.gz"));
    const said: string[] = [];
    const error = await refusal(mnist({ ...few, onProgress: (line) => said.push(line) }, env));
    expect(error.message).toMatch(
      /^mnist: .*mnist: expected the file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz/,
    );
    expect(error.message).toContain(`into ${env.cache}, or name a folder`);
    expect(said).toEqual([expect.stringMatching(/^mnist: the cache is damaged or not whole: /)]);
  });

  test("a folder of the system is read in place", async () => {
    const place = join(here, "usr");
    fakeMnist(place, COUNTS, { gzip: true });
    const env = environment({ places: [join(here, "no"), place], deb: debian(place) });
    const { train } = await fashionMnist({ ...few, offline: true }, env);
    expect(train.dataset.source).toMatchObject({ kind: "folder", location: place });
    expect(existsSync(env.cache)).toBe(false);
  });

  test("apt-get is asked once, then the cache is enough", async () => {
    const files = join(here, "package");
    fakeMnist(files, COUNTS, { gzip: true });
    const env = environment({ deb: debian(files) });
    const said: string[] = [];
    const onProgress = (line: string) => said.push(line);
    const { train } = await fashionMnist({ ...few, onProgress }, env);
    expect(train.dataset.source).toMatchObject({ kind: "deb", location: "dataset-fashion-mnist" });
    expect(said[0]).toBe("fashion-mnist: getting the package dataset-fashion-mnist with apt-get (31 MB, once)");
    expect(said.at(-1)).toMatch(/^fashion-mnist: checked and kept in /);
    expect(readdirSync(join(here, "cache"))).toEqual(["mnist"]);
    rmSync(join(here, "apt-get.cjs"));
    const again = await fashionMnist(few, env);
    expect(again.train.dataset.source.kind).toBe("cache");
    expect(again.train.dataset.source.sha256).toBe(train.dataset.source.sha256);
  });

  test("offline, without apt-get, or where it fails, the error says what to run", async () => {
    const cure = /; run apt-get install dataset-fashion-mnist \(Debian or Ubuntu\), or put train-images-idx3-ubyte, /;
    const aptGet = script("fails.cjs", 'console.error("W: no\\nE: Unable to locate package x"); process.exit(100);');
    for (const [offline, deb, message] of [
      [true, { aptGet }, /^fashion-mnist: cache: expected the files, got "none";/],
      [false, { aptGet }, /apt-get: expected the package dataset-fashion-mnist, got "Unable to locate package x";/],
      [false, { aptGet: join(here, "none") }, /apt-get: expected .*, got "no apt-get command";/],
    ] as const) {
      const error = await refusal(fashionMnist({ ...few, offline }, environment({ deb })));
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(cure);
      expect(error.code).toBe("data/download");
    }
    expect(readdirSync(join(here, "cache"))).toEqual([]);
  });

  test("a package with other bytes is refused and not kept", async () => {
    const files = join(here, "package");
    const hashes = fileHashes(fakeMnist(files, COUNTS));
    cpSync(join(files, "t10k-images-idx3-ubyte"), join(files, "spare"));
    writeFileSync(join(files, "t10k-images-idx3-ubyte"), idxFile([10, 28, 28], new Uint8Array(7840)));
    const env = environment({ deb: debian(files), sha256: hashes });
    expect((await refusal(fashionMnist(few, env))).code).toBe("data/hash");
    expect(readdirSync(join(here, "cache"))).toEqual([]);
  });
});

describe("the real Fashion-MNIST", () => {
  const places = ["/usr/share/datasets/fashion-mnist", join(cacheFolder(), "fashion-mnist")];

  test("has the known mean and deviation, and its class counts", async ({ skip }) => {
    skip(!places.some(existsSync), "neither Debian's package dataset-fashion-mnist nor the cache has Fashion-MNIST");
    const { train, selection, test: held } = await fashionMnist({ offline: true });
    expect([train.length, selection.length, held.length]).toEqual([59_000, 1000, 10_000]);
    const pixels = train.dataset.images.toArray() as Uint8Array;
    let [sum, squares] = [0, 0];
    for (const value of pixels) {
      sum += value;
      squares += value * value;
    }
    const mean = sum / pixels.length;
    // As the field quotes them: 0.2860 and 0.3530.
    expect(mean / 255).toBeCloseTo(0.286, 4);
    expect(Math.sqrt(squares / pixels.length - mean ** 2) / 255).toBeCloseTo(0.353, 4);
    for (const [{ labels }, each] of [
      [train.dataset, 6000],
      [held.dataset, 1000],
    ] as const) {
      const counts = new Array<number>(10).fill(0);
      for (const label of labels.toNumbers()) counts[label] = (counts[label] as number) + 1;
      expect(counts).toEqual(new Array(10).fill(each));
    }
  });
});
