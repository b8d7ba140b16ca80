import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import {
  cacheFolder,
  checkImages,
  classCounts,
  type DataContext,
  type DataOrigin,
  type DataSource,
  datasets,
  type ImageFindings,
  type Split,
  type Splits,
} from "../../data/index.js";
import { dataOptions } from "../../recipe/index.js";
import { scope } from "../../torch/index.js";
import {
  checkOptions,
  DataError,
  expected,
  makeFolder,
  S2apError,
  UsageError,
  writeFileAtomic,
} from "../../util/index.js";
import { count } from "../format.js";
import type { Job, JobContext } from "../jobs.js";
import { dataWarnings } from "./data-warnings.js";

/** A data set by name, and settings `path=value` of its options. */
interface Asked {
  readonly name: string;
  readonly set: readonly string[];
}

export interface SummaryOptions extends Asked {
  readonly what: "summary";
  /** Fetch nothing. */
  readonly offline: boolean;
  /** Leave out what takes a look at every image. */
  readonly quick: boolean;
}

export interface SheetJobOptions extends Asked {
  readonly what: "sheet";
  readonly out: string;
  /** Images of each class. */
  readonly examples: number;
  readonly seed: number;
  readonly augmented: boolean;
}

export type DataJobOptions = { readonly what: "list" } | SummaryOptions | SheetJobOptions;

export interface DataListed {
  readonly name: string;
  readonly summary: string;
  /** `here`, `absent` (it will be fetched), `generated`, or `yours`: options must say where it is. */
  readonly state: "here" | "absent" | "generated" | "yours";
  /** Options that must be given. */
  readonly needs: readonly string[];
}

export interface DataSummary {
  readonly kind: "summary";
  readonly name: string;
  readonly summary: string;
  readonly origin: Pick<DataOrigin, "from" | "byHand">;
  readonly sources: Readonly<Record<"train" | "test", DataSource>>;
  /** [C,H,W]. */
  readonly shape: readonly number[];
  readonly numClasses: number;
  readonly classNames: readonly string[];
  /** Images of each split, and of each of its classes. */
  readonly splits: Readonly<Record<keyof Splits, { readonly images: number; readonly counts: readonly number[] }>>;
  /** `null` where no image was looked at. */
  readonly findings: ImageFindings | null;
  readonly warnings: readonly string[];
  /** Whether every label is a class. */
  readonly sound: boolean;
}

export interface DataSheet {
  readonly kind: "sheet";
  readonly out: string;
  readonly width: number;
  readonly height: number;
  /** Classes with a row, and without for lack of room. */
  readonly rows: number;
  readonly leftOut: number;
  readonly warnings: readonly string[];
}

export type DataAnswer = DataSummary | DataSheet | { readonly kind: "stopped" };

/** Lists data sets, sums one up, or draws its contact sheet. */
export const job: Job<DataJobOptions, readonly DataListed[] | DataAnswer> = async (options, context) => {
  if (options.what === "list") return list();
  try {
    return await (options.what === "summary" ? summary(options, context) : sheet(options, context));
  } catch (error) {
    if (error instanceof S2apError && error.code === "stopped") return { kind: "stopped" };
    throw error;
  }
};

/** A plugin in JavaScript may have left it out. */
function originOf(name: string): DataOrigin {
  const { origin }: { readonly origin?: DataOrigin } = datasets.get(name);
  return origin ?? { from: "a plugin, which does not say" };
}

function list(): DataListed[] {
  return datasets.entries().map(([name, { summary, options }]) => {
    const origin = originOf(name);
    const checked = checkOptions(options, {});
    const needs = checked.ok ? [] : checked.problems.map(({ path }) => path.join("."));
    const here = origin.isHere?.() ?? existsSync(join(cacheFolder(), name));
    const fetched = here ? "here" : "absent";
    const state = needs.length > 0 ? "yours" : origin.byHand === undefined ? "generated" : fetched;
    return { name, summary, state, needs };
  });
}

function poll({ shouldStop }: JobContext): void {
  if (shouldStop()) throw new S2apError("data: stopped as asked", { code: "stopped" });
}

async function load({ name, set }: Asked, offline: boolean, context: JobContext): Promise<Splits> {
  const options = dataOptions(name, set);
  const { create } = datasets.get(name);
  const origin = originOf(name);
  const how: DataContext = {
    offline,
    onProgress: (text) => {
      poll(context);
      context.report({ kind: "message", text });
    },
  };
  try {
    return await create(options, how);
  } catch (error) {
    const ownFiles = (options as { source?: unknown }).source !== undefined;
    if (ownFiles || origin.byHand === undefined || !(error instanceof DataError)) throw error;
    const cure = `by hand: ${origin.byHand}, which is ${cacheFolder()}`;
    throw new DataError(`${error.message}; ${cure}`, { code: error.code, cause: error });
  }
}

/** [C,H,W] of a split's images, as `ordered` gives them. */
function shapeOf(split: Split): number[] {
  return scope(() => split.ordered(0, 1).x.shape.slice(1));
}

/** A slow look at many images says how far it is, every few seconds. */
const SECONDS = 5;

function look(splits: Splits, context: JobContext): ImageFindings {
  let told = performance.now();
  return checkImages(splits, {
    onProgress(done, of) {
      poll(context);
      if (done === of || performance.now() - told < 1000 * SECONDS) return;
      told = performance.now();
      context.report({ kind: "message", text: `looked at ${count(done)} of ${count(of)} images` });
    },
  });
}

async function summary(options: SummaryOptions, context: JobContext): Promise<DataSummary> {
  const { name, offline, quick } = options;
  const splits = await load(options, offline, context);
  const { train, selection, test } = splits;
  const { summary } = datasets.get(name);
  const origin = originOf(name);
  const { numClasses, classNames } = train.dataset;
  const counts = { train: classCounts(train), selection: classCounts(selection), test: classCounts(test) };
  const findings = quick ? undefined : look(splits, context);
  const of = (split: keyof Splits) => ({ images: splits[split].length, counts: counts[split].counts });
  return {
    kind: "summary",
    name,
    summary,
    origin: { from: origin.from, ...(origin.byHand !== undefined && { byHand: origin.byHand }) },
    sources: { train: train.dataset.source, test: test.dataset.source },
    shape: shapeOf(train),
    numClasses,
    classNames,
    splits: { train: of("train"), selection: of("selection"), test: of("test") },
    findings: findings ?? null,
    warnings: dataWarnings({ classNames, counts, findings }),
    sound: Object.values(counts).every(({ strays }) => strays.length === 0),
  };
}

const NO_FONT =
  "there is no font on this machine: the names on the sheet are boxes; install one, e.g. apt-get install fonts-dejavu-core";

async function sheet(options: SheetJobOptions, context: JobContext): Promise<DataSheet> {
  const { out, examples, seed, augmented, name } = options;
  if (!out.endsWith(".png")) throw new UsageError(expected("data show", "--out to be a file name in .png", out));
  // Loaded late: no other command needs it.
  const { canWrite, contactSheet, rowsThatFit, sheetCells } = await import("../../report/contact-sheet.js");
  const { augmentedImages, plainImages } = await import("../../report/sheet-images.js");
  const { train } = await load(options, false, context);
  const { numClasses, classNames } = train.dataset;
  const [, height = 1, width = 1] = shapeOf(train);
  const rows = Math.min(numClasses, rowsThatFit([height, width]));
  const choose = augmented ? augmentedImages : plainImages;
  const chosen = choose(train, { classes: rows, examples, seed, poll: () => poll(context) });
  const { counts } = classCounts(train);
  const scale = sheetCells([height, width]).width / width;
  const sized = scale === 1 ? "" : scale > 1 ? `, enlarged ${scale} times` : ", scaled down";
  const drawn = augmented ? `as the first epoch of pretraining with seed ${seed} gets them` : `drawn with seed ${seed}`;
  const leftOut = numClasses - rows;
  const { png, ...size } = await contactSheet({
    title: `${name}: training images`,
    note: `${width} x ${height} pixels${sized}; up to ${examples} of each class, ${drawn}`,
    footer: leftOut === 0 ? undefined : `and ${count(leftOut)} more classes`,
    imageSize: [height, width],
    rows: chosen.map((pictures, label) => ({
      name: classNames[label] ?? String(label),
      note: `${count(counts[label] ?? 0)} ${counts[label] === 1 ? "image" : "images"}`,
      pictures,
    })),
  });
  makeFolder(dirname(resolve(out)));
  writeFileAtomic(out, png);
  const warnings = (await canWrite()) ? [] : [NO_FONT];
  return { kind: "sheet", out, width: size.width, height: size.height, rows, leftOut, warnings };
}
