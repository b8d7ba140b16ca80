import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { lazySplit } from "../../../test/support/lazy-split.js";
import { datasets, type Splits, synthetic } from "../../data/index.js";
import { DataError, UsageError } from "../../util/index.js";
import type { Report } from "../jobs.js";
import {
  type DataAnswer,
  type DataJobOptions,
  type DataListed,
  type DataSheet,
  type DataSummary,
  job,
} from "./data.js";

let folder = "";
let offline: boolean | undefined;

/** Synthetic images as a set would give them that decodes them when they are asked for. */
function lazily(options: object): Splits {
  const { train, selection, test: held } = synthetic(options);
  return { train: lazySplit(train), selection: lazySplit(selection), test: lazySplit(held) };
}

const few = { examples: 12, selection: 2, testExamples: 4, numClasses: 3, size: 8 };

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-data-job-"));
  process.env.S2AP_CACHE = folder;
  const options = z.strictObject({ source: z.string().optional() });
  datasets.register("test-missing", {
    summary: "a set that is not here",
    origin: { from: "nowhere", byHand: "a.bin into test-missing/ of the cache folder" },
    options,
    create: async (_options, context) => {
      offline = context.offline;
      context.onProgress?.("looking for it");
      throw new DataError("test-missing: expected a.bin, got nothing", { code: "data/missing" });
    },
  });
  datasets.register("test-lazy", {
    summary: "images on disk",
    origin: { from: "a test" },
    options: z.strictObject({ path: z.string() }),
    create: async () => lazily(few),
  });
});

afterAll(() => {
  delete process.env.S2AP_CACHE;
  rmSync(folder, { recursive: true });
});

async function run<T>(options: DataJobOptions, shouldStop = () => false) {
  const reports: Report[] = [];
  const answer = (await job(options, { shouldStop, report: (report) => reports.push(report) })) as T;
  return { answer, reports };
}

const asked = { what: "summary", set: [] as string[], offline: true, quick: false } as const;
const drawing = { what: "sheet", set: [] as string[], examples: 2, seed: 0, augmented: false } as const;
const small = ["examples=12", "selection=2", "testExamples=4", "numClasses=3", "size=8"];

describe("list", () => {
  const state = async (name: string) => {
    const { answer } = await run<DataListed[]>({ what: "list" });
    return answer.find((row) => row.name === name);
  };

  test("says what is here, what is not, what is generated, and what options must name", async () => {
    expect(await state("synthetic")).toMatchObject({ state: "generated", needs: [] });
    expect(await state("test-lazy")).toMatchObject({ state: "yours", needs: ["path"] });
    expect(await state("test-missing")).toMatchObject({ state: "absent", needs: [] });
    mkdirSync(join(folder, "test-missing"));
    expect(await state("test-missing")).toMatchObject({ state: "here" });
    rmSync(join(folder, "test-missing"), { recursive: true });
  });

  test("asks a row that knows better", async () => {
    const row = datasets.get("test-missing");
    datasets.register("test-elsewhere", { ...row, origin: { ...row.origin, isHere: () => true } });
    expect(await state("test-elsewhere")).toMatchObject({ state: "here" });
  });
});

describe("summary", () => {
  test("tells origin, shape, counts and what a look at the images found", async () => {
    const { answer } = await run<DataSummary>({ ...asked, name: "synthetic", set: small });
    expect(answer).toMatchObject({
      kind: "summary",
      name: "synthetic",
      origin: { from: "generated from its options; the same on every machine" },
      sources: { train: { kind: "generated", location: "seed 0" } },
      shape: [3, 8, 8],
      numClasses: 3,
      findings: { images: 18, flat: { train: [], selection: [], test: [] }, leaked: [] },
      warnings: [],
      sound: true,
    });
    const { train, selection, test: held } = answer.splits;
    expect([train.images, selection.images, held.images]).toEqual([12, 2, 4]);
    const all = train.counts.map((n, label) => n + (selection.counts[label] as number));
    expect(all.reduce((a, b) => a + b)).toBe(14);
    expect(JSON.parse(JSON.stringify(answer))).toEqual(answer);
  });

  test("takes images that are not in memory, and none with quick", async () => {
    const lazy = { ...asked, name: "test-lazy", set: ["path=x"] };
    expect((await run<DataSummary>(lazy)).answer).toMatchObject({ shape: [3, 8, 8], findings: { images: 18 } });
    expect((await run<DataSummary>({ ...lazy, quick: true })).answer).toMatchObject({ findings: null, warnings: [] });
  });

  test("what is missing is told with the cure by hand, and offline is passed on", async () => {
    const cure = `test-missing: expected a.bin, got nothing; by hand: a.bin into test-missing/ of the cache folder, which is ${folder}`;
    await expect(run({ ...asked, name: "test-missing" })).rejects.toThrow(
      new DataError(cure, { code: "data/missing" }),
    );
    expect(offline).toBe(true);
    await expect(run({ ...asked, name: "test-missing", offline: false })).rejects.toThrow("by hand");
    expect(offline).toBe(false);
    // Files that the user named are not in the cache.
    const named = run({ ...asked, name: "test-missing", set: ["source=/x"] });
    await expect(named).rejects.toThrow(/got nothing$/);
  });

  test("stops when asked, on the way to the data and while it looks", async () => {
    expect((await run<DataAnswer>({ ...asked, name: "test-missing" }, () => true)).answer).toEqual({ kind: "stopped" });
    const looking = { ...asked, name: "synthetic", set: small };
    expect((await run<DataAnswer>(looking, () => true)).answer).toEqual({ kind: "stopped" });
    expect((await run<DataAnswer>({ ...looking, quick: true }, () => true)).answer).toMatchObject({ kind: "summary" });
  });
});

describe("sheet", () => {
  test("is a PNG of the size it says, the same each time, and another with another seed", async () => {
    const out = join(folder, "new", "a.png");
    const draw = async (options: object) => {
      const { answer } = await run<DataSheet>({ ...drawing, name: "synthetic", set: small, out, ...options });
      return { answer, bytes: readFileSync(out) };
    };
    const { answer, bytes } = await draw({});
    const { width, height } = await sharp(bytes).metadata();
    expect(answer).toEqual({ kind: "sheet", out, width, height, rows: 3, leftOut: 0, warnings: [] });
    expect((await draw({})).bytes).toEqual(bytes);
    expect((await draw({ seed: 1 })).bytes).not.toEqual(bytes);
    expect((await draw({ augmented: true })).bytes).not.toEqual(bytes);
  });

  test("leaves out classes that find no room, and says how many", async () => {
    const set = ["numClasses=120", "examples=130", "selection=1", "testExamples=1", "size=8", "augment=false"];
    const { answer } = await run<DataSheet>({
      ...{ ...drawing, name: "synthetic", set, examples: 1 },
      out: join(folder, "many.png"),
    });
    expect(answer).toMatchObject({ rows: 116, leftOut: 4 });
    expect(answer.height).toBeLessThanOrEqual(12_000);
  });

  test("takes images that are not in memory", async () => {
    const out = join(folder, "lazy.png");
    const { answer } = await run<DataSheet>({ ...drawing, name: "test-lazy", set: ["path=x"], out });
    expect(answer).toMatchObject({ rows: 3, leftOut: 0 });
  });

  test("stops when asked, and writes nothing then", async () => {
    const out = join(folder, "stopped.png");
    writeFileSync(out, "before");
    const { answer } = await run({ ...drawing, name: "synthetic", set: small, out }, () => true);
    expect(answer).toEqual({ kind: "stopped" });
    expect(readFileSync(out, "utf8")).toBe("before");
  });

  test("refuses a file that is no PNG before it loads anything", async () => {
    const attempt = run({ ...drawing, name: "test-missing", out: "a.jpg" });
    await expect(attempt).rejects.toThrow(
      new UsageError('data show: expected --out to be a file name in .png, got "a.jpg"'),
    );
  });
});
