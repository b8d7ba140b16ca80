// What a stage's step and an attack's batch cost, found by doing a few of them: on the real network, at the real batch size.
// Each is timed in several rounds, all others in between, and the median is taken, so that a machine that is busy for a while
// makes no single one look dear; what two runs do alike, as the warm-up of one and the whole search of another, is one pool of times.

import { pgd, predict } from "../attacks/index.js";
import type { Split, Splits } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { countPasses, disposeParams, type Passes } from "../nn/index.js";
import { canonicalJson, type EpochDone, type Stage } from "../run/index.js";
import type { ScoreGradient } from "../sharpness/index.js";
import { ops, type Precision, scope, tensor } from "../torch/index.js";
import { finetune, pretrain, type StageOptions, search, type WeightGradient } from "../train/index.js";
import { peakMemory, resetPeakMemory, rng } from "../util/index.js";
import { buildEvaluation, buildGradient, buildMethod, buildModel, buildThreat, buildWeightGradient } from "./build.js";
import type { EvaluationRecipe, Recipe } from "./schema.js";
import { masksOfZeros, optionsOf, redrawBy, weightOptionsOf } from "./stages.js";

/** Cost of one batch of training. */
export interface BatchCost {
  readonly passes: Passes;
  readonly seconds: number;
}

export interface StageProbe {
  /** Epochs, the stage's first, that train as the host alone does. */
  readonly warmup: number;
  /** Of a batch in the warm-up; the same as `after` where there is none. */
  readonly during: BatchCost;
  readonly after: BatchCost;
  readonly peakMemory: number;
}

/** Of one batch, each image of which stands. */
export interface AttackProbe {
  /** Images of the batch that was timed. */
  readonly images: number;
  /** A look at the images as they are. */
  readonly clean: BatchCost;
  /** The attack, and a look at what it found. */
  readonly attack: BatchCost;
  readonly peakMemory: number;
}

export interface ProbeOptions {
  readonly splits: Splits;
  readonly precision: Precision;
  /** Counts passes only, on a few images: the times mean nothing then. */
  readonly countOnly?: boolean | undefined;
}

/** Steps of each kind that are timed in a round, after one that is not: its memory is new. */
const TIMED = 2;
/** Images that passes are counted on; batch norm needs two. */
const FEW = 4;

/** The first batches of a split as an epoch of their own, cut to `size` images. */
function firstBatches(split: Split, count: number, size: number): Split {
  const steps = Math.min(count, split.steps);
  if (size >= split.batchSize) return { ...split, steps };
  const cut = (all: ReturnType<Split["batch"]>) =>
    scope(() => ({
      x: ops.contiguous(ops.narrow(all.x, 0, 0, size), { memoryFormat: "channels_last" }),
      y: ops.narrow(all.y, 0, 0, size),
      ...(all.targets && { targets: ops.narrow(all.targets, 0, 0, size) }),
      size,
    }));
  return { ...split, steps, batchSize: size, batch: (...at) => cut(split.batch(...at)) };
}

/** The epochs that a probe runs: one of the warm-up, where there is one, and one after it. */
function epochsOf(warmup: number): number {
  return warmup > 0 ? 2 : 1;
}

type Step = { readonly epoch: number; readonly epochs: number };

/** A gradient that takes the probe's epochs for the first one of the stage and the one after its warm-up. */
function atProbe<O extends readonly unknown[], S extends Step, R>(
  gradient: { readonly name: string; warmup(epochs: number): number; compute(...all: [...O, S]): R },
  epochs: number,
): { name: string; warmup(): number; compute(...all: [...O, S]): R } {
  const warmup = gradient.warmup(epochs);
  return {
    name: gradient.name,
    warmup: () => epochsOf(warmup) - 1,
    compute(...all) {
      const step = all.at(-1) as S;
      const epoch = warmup > 0 && step.epoch === 0 ? 0 : warmup;
      return gradient.compute(...(all.slice(0, -1) as unknown as O), { ...step, epoch, epochs });
    },
  };
}

const median = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

/** Batches of one kind, timed one by one. */
interface TimedBatches {
  readonly passes: Passes;
  readonly seconds: readonly number[];
}

/** Costs of a batch by the probe's epochs. */
function costsOf(
  epochs: readonly Omit<EpochDone, "at">[],
  seconds: readonly number[][],
  batches: number,
): TimedBatches[] {
  return epochs.map(({ passes }, i) => {
    const before = epochs[i - 1]?.passes ?? { forward: 0, backward: 0 };
    const times = seconds[i] ?? [];
    const timed = times.length > 1 ? times.slice(1) : times;
    return {
      passes: {
        forward: (passes.forward - before.forward) / batches,
        backward: (passes.backward - before.backward) / batches,
      },
      // A loss may take several steps on each batch.
      seconds: timed.map((time) => (time * times.length) / batches),
    };
  });
}

/** Does the stage's work as it is, on what the probe gives it, and forgets the result. */
async function work(model: Model, recipe: Recipe, stage: Stage, options: StageOptions): Promise<void> {
  const made = (result: Model) => disposeParams(result.params, result.buffers);
  const { pretrain: first, search: second, finetune: third } = recipe.stages;
  const gradientOf = (named: typeof first) => {
    const gradient = named?.weightGradient && buildWeightGradient(named.weightGradient);
    return gradient && (atProbe(gradient, named?.epochs ?? 1) as WeightGradient);
  };
  if (stage === "pretrain") return made(await pretrain(model, { ...options, weightGradient: gradientOf(first) }));
  if (stage === "search" && second !== undefined) {
    const gradient = atProbe(buildGradient(second.gradient), second.epochs) as ScoreGradient;
    const { freezeBatchNorm } = second;
    const found = await search(model, { ...options, method: buildMethod(second.method), gradient, freezeBatchNorm });
    disposeParams(found.masks);
    return made(found.model);
  }
  const masks = masksOfZeros(model);
  const distill = third?.distill && { ...third.distill, teacher: model };
  const more = { masks, distill, redraw: redrawBy(recipe), weightGradient: gradientOf(third) };
  made(await finetune(model, { ...options, ...more }));
  disposeParams(masks);
}

function warmupOf({ stages }: Recipe, stage: Stage): number {
  if (stage === "search") return stages.search ? buildGradient(stages.search.gradient).warmup(stages.search.epochs) : 0;
  const named = stages[stage];
  return named?.weightGradient ? buildWeightGradient(named.weightGradient).warmup(named.epochs) : 0;
}

interface TimedStage extends Pick<StageProbe, "warmup" | "peakMemory"> {
  readonly during: TimedBatches;
  readonly after: TimedBatches;
}

async function probeStage(model: Model, recipe: Recipe, stage: Stage, probe: ProbeOptions): Promise<TimedStage> {
  const { splits, precision, countOnly = false } = probe;
  const named = recipe.stages[stage];
  if (named === undefined) throw new TypeError(`no ${stage} to probe`);
  const setting = { recipe, splits, precision };
  const train = firstBatches(splits.train, countOnly ? 1 : 1 + TIMED, countOnly ? FEW : splits.train.batchSize);
  const warmup = warmupOf(recipe, stage);
  const epochs: Omit<EpochDone, "at">[] = [];
  const seconds: number[][] = [];
  const threat = buildThreat(recipe);
  await work(model, recipe, stage, {
    ...(stage === "search" ? optionsOf(setting, named) : weightOptionsOf(setting, named)),
    train,
    selection: { ...splits.selection, length: Math.min(2, splits.selection.length), batchSize: 2, steps: 1 },
    ...{ selectionAttack: pgd(threat, { steps: 1 }), overfittingAlarm: "off", choose: "last" },
    ...{ epochs: epochsOf(warmup), batches: undefined },
    onEpoch: (event) => epochs.push(event),
    onProgress: ({ epoch, imagesPerSecond }) => {
      seconds[epoch] ??= [];
      seconds[epoch]?.push(train.batchSize / imagesPerSecond);
    },
  });
  const costs = costsOf(epochs, seconds, train.steps);
  const [during, after] = [costs[0], costs.at(-1)] as [TimedBatches, TimedBatches];
  return { warmup, during, after, peakMemory: Math.max(...epochs.map((epoch) => epoch.peakMemory ?? 0)) };
}

/** An attack on the first batch of a split, with labels that the network agrees with, so that every image is attacked. */
function probeAttack(
  model: Model,
  split: Split,
  recipe: Recipe,
  item: EvaluationRecipe,
  countOnly: boolean,
): AttackProbe {
  const attack = buildEvaluation(item, buildThreat(recipe));
  const wanted = Math.min(split.batchSize, item.examples ?? split.length, countOnly ? FEW : split.length);
  const passes = countPasses();
  const timed = (fn: () => void): BatchCost => {
    const before = { ...passes };
    const started = performance.now();
    fn();
    const seconds = (performance.now() - started) / 1000;
    const [forward, backward] = [passes.forward - before.forward, passes.backward - before.backward];
    return { passes: { forward, backward }, seconds };
  };
  resetPeakMemory();
  return scope(() => {
    const { victim } = bindNetwork(model, model, { passes });
    const { x, size: images } = split.ordered(0, wanted);
    let said = predict(victim, x);
    const clean = timed(() => {
      said = predict(victim, x);
    });
    const cost = timed(() => {
      if (attack === undefined) return;
      const y = tensor(BigInt64Array.from(said, BigInt));
      predict(victim, attack.perturb(victim, x, y, { rng: rng(recipe.seed, "probe") }));
    });
    return { images, clean, attack: cost, peakMemory: peakMemory() };
  });
}

/** What decides the cost of a stage's batch; with `host` that of one that trains as the host alone does. */
function workKey({ model, threat, stages }: Recipe, stage: Stage, host: boolean): string {
  const { gradient, weightGradient, batches: _, ...of } = { ...stages[stage] } as Readonly<Record<string, unknown>>;
  return canonicalJson({
    ...{ model, threat, stage, of: { ...of, epochs: 0 } },
    ...(!host && { gradient, weightGradient }),
    // Finetuning may redraw the weights of the search's method.
    ...(stage === "finetune" && { by: stages.search?.method }),
  });
}

const isHost = ({ stages }: Recipe, stage: Stage) => {
  const named = stage === "search" ? stages.search?.gradient : stages[stage]?.weightGradient;
  return named === undefined || named.name === "plain";
};

/** Times by the work they are of. */
function pools() {
  const times = new Map<string, number[]>();
  return {
    add(key: string, seconds: readonly number[]): void {
      times.set(key, [...(times.get(key) ?? []), ...seconds]);
    },
    median: (key: string) => median(times.get(key) ?? []),
  };
}

/** Probes what it is asked for, each kind once in a round. */
export interface Prober extends Disposable {
  /** Begins a round: what is asked for from now on is timed once more, and costs the median of all its times. */
  again(): void;
  stage(recipe: Recipe, stage: Stage): Promise<StageProbe>;
  attack(recipe: Recipe, item: EvaluationRecipe): AttackProbe;
}

export function prober(options: ProbeOptions): Prober {
  const stages = new Map<string, TimedStage>();
  const attacks = new Map<string, AttackProbe>();
  const networks = new Map<string, Model>();
  const times = pools();
  const timed = new Set<string>();
  const networkOf = ({ model, seed }: Recipe): Model => {
    const key = canonicalJson(model);
    const found = networks.get(key) ?? buildModel(model, seed);
    networks.set(key, found);
    return found;
  };
  return {
    again: () => timed.clear(),
    async stage(recipe, stage) {
      const [own, host] = [workKey(recipe, stage, isHost(recipe, stage)), workKey(recipe, stage, true)];
      const warm = warmupOf(recipe, stage) > 0 ? host : own;
      const key = canonicalJson({ own, epochs: recipe.stages[stage]?.epochs ?? 0 });
      let found = stages.get(key);
      if (found === undefined || !timed.has(key)) {
        found = await probeStage(networkOf(recipe), recipe, stage, options);
        if (warm !== own) times.add(warm, found.during.seconds);
        times.add(own, found.after.seconds);
        stages.set(key, found);
        timed.add(key);
      }
      const cost = ({ passes }: TimedBatches, of: string): BatchCost => ({ passes, seconds: times.median(of) });
      const { warmup, peakMemory } = found;
      return { warmup, during: cost(found.during, warm), after: cost(found.after, own), peakMemory };
    },
    attack(recipe, item) {
      const { examples: _examples, ...named } = item;
      const key = canonicalJson({ model: recipe.model, threat: recipe.threat, named });
      let found = attacks.get(key);
      if (found === undefined || !timed.has(key)) {
        found = probeAttack(networkOf(recipe), options.splits.test, recipe, item, options.countOnly ?? false);
        times.add(`${key} clean`, [found.clean.seconds]);
        times.add(`${key} attack`, [found.attack.seconds]);
        attacks.set(key, found);
        timed.add(key);
      }
      const cost = ({ passes }: BatchCost, of: string): BatchCost => ({
        passes,
        seconds: times.median(`${key} ${of}`),
      });
      return { ...found, clean: cost(found.clean, "clean"), attack: cost(found.attack, "attack") };
    },
    [Symbol.dispose]() {
      for (const { params, buffers } of networks.values()) disposeParams(params, buffers);
    },
  };
}
