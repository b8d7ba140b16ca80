// Run folders and records as the dashboard finds them, made without training anything.
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import { type NewEvent, openRun, type RunStatus, type Stage } from "../../src/run/index.js";
import { writeFileAtomic } from "../../src/util/index.js";
import { png } from "./png.js";

export const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 12, 0, second)).toISOString();

export const recipe = {
  name: "made",
  model: { arch: "resnet18" },
  threat: { norm: "linf", eps: "8/255" },
  stages: {
    pretrain: { epochs: 2 },
    search: { epochs: 2, method: { name: "hydra" }, gradient: { name: "s2ap" } },
    finetune: { epochs: 1 },
  },
};

export const stepEvent = (stage: Stage, step: number, loss = 2): NewEvent => ({
  ...{ type: "step", stage, epoch: Math.floor((step - 1) / 10), step, loss, lr: 0.1 },
  ...{ robustAccuracy: 0.25, imagesPerSecond: 100 },
});

export const epochEvent = (stage: Stage, epoch: number, more: object = {}): NewEvent => ({
  ...{
    type: "epoch",
    stage,
    epoch,
    loss: 2 - epoch / 10,
    lr: 0.1,
    cleanAccuracy: 0.5,
    robustAccuracy: 0.3 + epoch / 100,
  },
  ...{ selectionExamples: 100, passes: { forward: 10, backward: 10 }, seconds: 20, ...more },
});

export const maskNumbers = (share: number) => ({
  maskDistance: { hamming: share, perKept: 5 * share, layers: { "conv1.weight": share, "fc.weight": share / 2 } },
  sparsity: { total: 0.9, layers: { "conv1.weight": 0.9, "fc.weight": 0.8 } },
  swapFraction: 0.02,
  sharpnessGap: 0.1,
});

const stage = (name: Stage, status: "start" | "done", epochs: number): NewEvent => ({
  ...{ type: "stage", stage: name, status, epochs, steps: 10, step: status === "done" ? 10 * epochs : 0 },
});

/** The events of a run of all three stages. */
export function wholeRun(): NewEvent[] {
  const training = (name: Stage, epochs: number, more: object = {}) => [
    stage(name, "start", epochs),
    ...Array.from({ length: epochs }, (_, epoch) => [
      stepEvent(name, 10 * epoch + 5),
      stepEvent(name, 10 * epoch + 10),
      epochEvent(name, epoch, more),
    ]).flat(),
    stage(name, "done", epochs),
  ];
  return [
    ...training("pretrain", 2),
    ...training("search", 2, maskNumbers(0.01)),
    ...training("finetune", 1),
    {
      ...{
        type: "evaluation",
        attack: "pgd-20",
        cleanAccuracy: 0.48,
        robustAccuracy: 0.31,
        examples: 1000,
        eps: "8/255",
      },
      ...{ interval: [0.28, 0.34], seconds: 9, passes: { forward: 1, backward: 1 } },
    },
  ];
}

/** Writes a run folder and closes it. */
export function makeRun(folder: string, events: readonly NewEvent[], status: RunStatus = "done", name?: string): void {
  const run = openRun(folder, { seed: 7, recipe, ...(name !== undefined && { name }) });
  for (const event of events) run.append(event);
  run.update({ status });
  run.close();
}

/** Writes the masks of a run: 0 and 1 for each layer. */
export function makeMasks(folder: string, layers: Readonly<Record<string, readonly number[]>>): void {
  const tensors = Object.entries(layers).map(
    ([name, mask]) => [name, { dtype: "uint8", shape: [mask.length], data: Uint8Array.from(mask) }] as const,
  );
  writeFileAtomic(join(folder, "masks.safetensors"), encodeSafetensors({ tensors: new Map(tensors) }));
}

/** What the page shows of a record of `s2ap sharpness`. */
export const sharpness = {
  settings: { images: 128, split: "selection", attack: "pgd-10", norm: "linf", eps: "8/255" },
  epochs: [
    {
      ...{ epoch: 0, objectiveLoss: 1.9, flip: null },
      eigenvalues: { values: [0.03125, 0.02], bounds: [0.0001, 0.001] },
      trace: { total: { value: 0.5, standardError: 0.25 } },
    },
    {
      ...{ epoch: 2, objectiveLoss: 1.7, worst: { total: { rise: 0.125 } } },
      average: { total: { value: 0.0625, standardError: null } },
      ...{ flip: { total: { rise: 0.75 } }, eigenvalues: { values: [6.5], bounds: [0.1] } },
    },
  ],
};

/** The same with layers. */
export const sharpnessOfLayers = {
  ...sharpness,
  epochs: sharpness.epochs.map((epoch, i) => ({
    ...epoch,
    eigenvalues: {
      ...epoch.eigenvalues,
      layers: { "conv1.weight": { value: 4 * i + 2, bound: 0.25 }, "fc.weight": { value: 1, bound: null } },
    },
    ties: {
      deltas: [0.001, 0.01],
      within: [0.002, 0.02 * (i + 1)],
      layers: { "conv1.weight": { within: [0.01, 0.125] } },
    },
  })),
};

export interface LandscapeOptions {
  /** One or two; default s2ap and random. */
  readonly directions?: readonly string[];
  /** So many points of each axis; default 5. */
  readonly points?: number;
  /** So many points are computed; default all. */
  readonly done?: number;
  readonly images?: number;
  /** Run that the direction `other` leads to; default none. */
  readonly other?: string;
}

/** A bowl of that curvature around a loss of 1.5, as `s2ap landscape` leaves it. */
export function landscapeRecord(curvature: number, options: LandscapeOptions = {}) {
  const { directions = ["s2ap", "random"], points = 5, done = Number.POSITIVE_INFINITY, images = 128, other } = options;
  const at = Array.from({ length: points }, (_, i) => (2 * i) / (points - 1) - 1);
  const rows = directions.length === 1 ? [0] : at;
  const losses = rows.map((y, r) =>
    at.map((x, c) => (r * points + c < done ? 1.5 + curvature * (x * x + 0.5 * y * y) : null)),
  );
  const conditions = { attack: "pgd-10", norm: "linf", eps: "8/255", objective: "trades", loss: "robust" };
  return {
    ...{ format: 1, run: "made", lengths: directions.map(() => 1), cosine: null, seconds: 1, losses },
    settings: {
      ...{
        epoch: 2,
        state: "0",
        other: other === undefined ? null : { run: other, state: "0" },
        images,
        split: "selection",
        seed: 0,
        dtype: "float32",
        ...conditions,
      },
      ...{ lanczosSteps: 20, data: { name: "cifar10", sha256: "a" } },
      axes: directions.map((direction) => ({ direction, coordinates: at })),
    },
  };
}

/** Writes a landscape into a run folder. */
export function makeLandscape(folder: string, record: unknown, file = "landscape.json"): void {
  writeFileSync(join(folder, file), JSON.stringify(record));
}

/** Appends raw lines to a log, as a hostile or damaged one may hold. */
export function appendRaw(folder: string, ...lines: readonly unknown[]): void {
  const texts = lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`);
  appendFileSync(join(folder, "events.jsonl"), texts.join(""));
}

export interface RecordOptions {
  /** [C,H,W]. */
  readonly shape?: readonly [number, number, number];
  /** How many clean images are kept, black but for their position in each pixel; default none, as in old records. */
  readonly clean?: number;
  /** Positions in the data set; of each three in turn one stands, one is broken, one is wrong as it is. */
  readonly indices?: readonly number[];
  readonly className?: string;
  /** Of all classes, as newer cards have them. */
  readonly classNames?: readonly string[];
}

/** Writes the record of an evaluation of 3 x 4 x 4 images (or others), all of the first class. */
export function makeRecord(folder: string, options: RecordOptions = {}): void {
  const { shape = [3, 4, 4], clean = 0, indices = [0, 1, 2, 3, 4, 5], className = "cat", classNames } = options;
  mkdirSync(folder, { recursive: true });
  const fates = [null, "apgd-ce", "clean"] as const;
  const images = indices.map((index, i) => ({
    ...{ index, label: 0, clean: i % 3 === 2 ? 1 : 0, adversarial: i % 3 === 1 ? 1 : null, brokenBy: fates[i % 3] },
    ...{ run: "", step: i % 3 === 1 ? 3 : null, norm: i % 3 === 1 ? 0.03 : null },
  }));
  const passes = { forward: 1, backward: 1 };
  const outcome = { robustAccuracy: 1 / 3, interval: [0.1, 0.7], passes, seconds: 1 };
  const card = {
    format: 1,
    model: {
      file: "model.safetensors",
      weights: "a",
      mask: "b",
      arch: "resnet18",
      parameters: 10,
      sparsity: { total: 0.9, layers: {} },
    },
    data: { name: "mnist test", sha256: "0".repeat(64), indices: [[0, 5]], ...(classNames && { classNames }) },
    versions: { s2ap: "0.1.0" },
    ...{ preset: "custom", norm: "linf", eps: "8/255", seed: 0, examples: indices.length },
    ...{ cleanAccuracy: 2 / 3, cleanInterval: [0.3, 0.9], after: { clean: 2 / 3 }, ...outcome },
    attacks: [{ attack: "apgd-ce", tried: 4, broken: 2, ...outcome }],
    checks: [{ code: "few-images", severity: "note", message: "few images", values: {} }],
    classes: [
      { name: className, examples: indices.length, cleanAccuracy: 2 / 3, robustAccuracy: 1 / 3, interval: [0.1, 0.7] },
    ],
  };
  writeFileSync(join(folder, "card.json"), JSON.stringify(card));
  writeFileSync(join(folder, "images.json"), JSON.stringify(images));
  const size = shape.reduce((a, b) => a * b);
  const broken = images.filter(({ brokenBy }) => brokenBy === "apgd-ce").map(({ index }) => index);
  const points = Float32Array.from({ length: broken.length * size }, (_, i) => (i % 256) / 255);
  saveImages(folder, "adversarial", { dtype: "float32", shape, data: points, indices: broken });
  if (clean === 0) return;
  const kept = indices.slice(0, clean);
  const data = Uint8Array.from(kept.flatMap((index) => Array<number>(size).fill(index)));
  saveImages(folder, "clean", { dtype: "uint8", shape, data, indices: kept });
}

/** Writes a record of distances, of so many images as there are numbers or of more to come; null: none was found. */
export function makeDistances(folder: string, distances: readonly (number | null)[], images = distances.length): void {
  mkdirSync(folder, { recursive: true });
  const key = {
    ...{
      weights: "a",
      data: "b",
      spec: { arch: "resnet18" },
      attack: "fmn",
      options: { steps: 10 },
      norm: "linf",
      seed: 0,
    },
    indices: Array.from({ length: images }, (_, i) => i),
  };
  const spent = { passes: { forward: 10, backward: 10 }, seconds: 1 };
  const file = { format: 1, key, distances, eps: "8/255", radius: 8 / 255, ...spent };
  writeFileSync(join(folder, "distances.json"), JSON.stringify(file));
}

interface SavedImages {
  readonly dtype: "uint8" | "float32";
  readonly shape: readonly number[];
  readonly data: Uint8Array | Float32Array;
  readonly indices: readonly number[];
}

function saveImages(folder: string, name: string, { dtype, shape, data, indices }: SavedImages): void {
  const bytes = ({ buffer }: Uint8Array | Float32Array | BigInt64Array) => new Uint8Array(buffer as ArrayBuffer);
  const tensors = new Map([
    ["images", { dtype, shape: [indices.length, ...shape], data: bytes(data) }],
    ["indices", { dtype: "int64", shape: [indices.length], data: bytes(BigInt64Array.from(indices, BigInt)) }],
  ] as const);
  writeFileAtomic(join(folder, `${name}.safetensors`), encodeSafetensors({ tensors }));
}

/** Writes the attacked images of a run or an experiment: 2 x 2 pixels, which `dense` sees rightly until they are attacked. */
export function makeAttackedImages(folder: string, networks: readonly string[] = ["dense"]): void {
  const predictions = Object.fromEntries(networks.map((name) => [name, { clean: 0, adversarial: 1 }]));
  const picture = (level: number) => png(2, () => [level, level, level]).toString("base64");
  const example = { label: 0, clean: picture(0), adversarial: picture(0.5), difference: picture(1), predictions };
  const images = { eps: "8/255", against: networks[0], classNames: ["zero", "one"], examples: [example, example] };
  writeFileSync(join(folder, "images.json"), JSON.stringify(images));
}
