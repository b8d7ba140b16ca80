import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { securityCurve } from "../../src/evaluation/curve.js";
import { packed } from "../../src/pruning/packed-mask.js";
import { keepMasks } from "../../src/train/kept-masks.js";
import { wilson } from "../../src/util/interval.js";
import { type ExperimentOptions, experimentFixture } from "./experiment-fixture.js";

const layers = ["conv1.weight", "layer1.0.conv1.weight", "linear.weight"];

/** As `s2ap sharpness` leaves it: the start of a search and its end. */
function sharpness(run: string, sharp: number): unknown {
  const estimate = (value: number, standardError: number | null) => ({ value, standardError });
  const epochs = [0, 4].map((epoch) => {
    const size = sharp * (1 + epoch);
    const total = estimate(2.5 * size, 0.4 * size);
    return {
      ...{ epoch, state: "0".repeat(64), objectiveLoss: 1.9 - 0.02 * epoch, cleanAccuracy: 0.5, robustAccuracy: 0.3 },
      seconds: { eigenvalues: 12.5 },
      eigenvalues: {
        ...{ values: [size, size / 2, size / 3], bounds: [1e-9, 0.001, 0.02], steps: 20 },
        smallest: { value: -size / 9, bound: 1e-6 },
        layers: Object.fromEntries(layers.map((name, i) => [name, { value: size / (i + 2), bound: 1e-8, steps: 10 }])),
      },
      trace: { total, layers: {} },
      worst: { total: { loss: 2 + size, rise: 0.1 + size / 10, stepLoss: 2 }, layers: {} },
      average: { total: estimate(-0.0012 * size, 0.002), layers: {} },
      // Not measured at the start, as where groups of weights share a score.
      ties: {
        ...{ deltas: [0.01, 0.1], within: [0.0125, 0.11] },
        layers: Object.fromEntries(
          layers.map((name, i) => [name, { scores: 216, within: [0.01 * i, 0.1 + 0.01 * i] }]),
        ),
      },
      flip: epoch === 0 ? null : { total: { loss: 2, rise: 0.0123, swapped: 70 }, layers: {} },
    };
  });
  const settings = {
    images: 128,
    split: "selection",
    attack: "of pgd-at",
    objective: "pgd-at",
    norm: "linf",
    eps: "8/255",
  };
  return {
    ...{ format: 1, run, layers: Object.fromEntries(layers.map((name) => [name, 216])), versions: { s2ap: "0.1.0" } },
    settings: { ...settings, gamma: 0.01, flipFraction: 0.01, dtype: "float32" },
    epochs,
  };
}

/** A bowl with one point that is not known. */
function landscape(sharp: number): { readonly plane: unknown; readonly line: unknown } {
  const [x, y] = [
    [-1, -0.5, 0, 0.5, 1],
    [-1, -0.25, 0.5],
  ];
  const loss = y.map((b) =>
    x.map((a) => (a === 1 && b === 0.5 ? null : Number((1.5 + sharp * (a * a + 0.5 * b * b)).toFixed(4)))),
  );
  const axes = [
    { direction: "first direction", coordinates: x },
    { direction: "second direction", coordinates: y },
  ];
  const settings = { epoch: 4, images: 128, split: "selection" };
  const plane = { format: 1, settings: { ...settings, axes }, losses: loss };
  return { plane, line: { format: 1, settings: { ...settings, axes: axes.slice(0, 1) }, losses: loss.slice(1, 2) } };
}

function card(robust: number): unknown {
  const classes = ["airplane", "automobile", "bird"].map((name, i) => {
    const right = Math.round(100 * (robust + 0.07 * i));
    return {
      name,
      examples: 100,
      cleanAccuracy: 0.6 + 0.05 * i,
      robustAccuracy: right / 100,
      interval: wilson(right, 100),
    };
  });
  const distances = Array.from({ length: 40 }, (_, i) => (i < 10 ? 0 : (i - 9) * 0.002 * (1 + robust)));
  const curve = { attack: "fmn", norm: "linf", eps: "8/255", curve: securityCurve(distances) };
  return {
    ...{ format: 1, preset: "aa-standard", norm: "linf", eps: "8/255", seed: 0, examples: 300 },
    ...{ cleanAccuracy: 0.65, robustAccuracy: robust, interval: wilson(Math.round(300 * robust), 300) },
    ...{ passes: { forward: 100, backward: 90 }, seconds: 42.5, classes, minimumNorm: curve },
  };
}

/** As a search leaves them: two layers after chosen epochs, each time some bits elsewhere. */
function masks(folder: string, moved: number): void {
  for (const epoch of [0, 3, 4]) {
    const bytes = Array.from({ length: 27 }, (_, i) => (i % 9 < epoch * moved ? 0b01100000 : 0b10100000));
    const convolution = packed([8, 3, 3, 3], Uint8Array.from(bytes), "fixture");
    const linear = packed([10], Uint8Array.of(0b11110000, epoch > 0 ? 0b01000000 : 0b11000000), "fixture");
    keepMasks(
      folder,
      epoch,
      new Map([
        ["conv1.weight", convolution],
        ["linear.weight", linear],
      ]),
    );
  }
}

/** The experiment with all that other commands leave in run folders. */
export function explainedFixture(options: ExperimentOptions = {}): string {
  const folder = experimentFixture(options);
  for (const [run, sharp] of [
    ["hydra", 4.5],
    ["hydra-s2ap", 1.75],
  ] as const) {
    const write = (path: string, value: unknown) =>
      writeFileSync(join(folder, run, path), `${JSON.stringify(value)}\n`);
    mkdirSync(join(folder, run, "evaluation", "2-autoattack"), { recursive: true });
    masks(join(folder, run), sharp > 2 ? 2 : 1);
    write("sharpness.json", sharpness(run, sharp));
    const { plane, line } = landscape(sharp);
    write("landscape.json", plane);
    write("landscape-line.json", line);
    write("evaluation/2-autoattack/card.json", card(sharp > 2 ? 0.25 : 0.31));
  }
  return folder;
}

/** A folder with the distances of twelve images and nothing else; with those of so many where the measurement is under way. */
export function writeDistances(to: string, done = 12): void {
  const distances = [0, 0, 0, 0.01, 0.02, 0.02, 0.03, 0.05, 0.05, 0.08, null, null];
  const key = {
    ...{ weights: "aa", data: "bb", spec: { arch: "resnet18" }, attack: "fmn", options: { steps: 200 } },
    ...{ norm: "linf", seed: 0, indices: distances.map((_, i) => i) },
  };
  const rest = { eps: "8/255", radius: 8 / 255, passes: { forward: 400, backward: 200 }, seconds: 3 };
  mkdirSync(to, { recursive: true });
  writeFileSync(
    join(to, "distances.json"),
    JSON.stringify({ format: 1, key, distances: distances.slice(0, done), ...rest }),
  );
}
