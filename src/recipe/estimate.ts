// What a recipe or a grid will cost, before it runs: a few steps of each stage and a batch of each attack are measured, and
// the rest is arithmetic. Passes are exact, since a step makes the same passes whatever it learns; times are those of the
// machine as busy as it is now; of attacks, which skip what is wrong already, half of the images are thought to stand.
import type { Splits } from "../data/index.js";
import { buildAttacks, preset } from "../evaluation/index.js";
import type { CostLine } from "../report/index.js";
import { STAGES, type Stage } from "../run/index.js";
import { alarmOf } from "../train/index.js";
import { buildData, buildLoss, buildThreat, choosePrecision } from "./build.js";
import { type AttackProbe, type BatchCost, type Prober, prober, type StageProbe } from "./estimate-probe.js";
import type { Grid } from "./grid-load.js";
import type { EvaluationRecipe, Recipe, ResolvedRecipe } from "./schema.js";

/** One run folder to come. */
export interface RunEstimate {
  readonly name: string;
  readonly lines: readonly CostLine[];
}

export interface Estimate {
  readonly runs: readonly RunEstimate[];
  readonly forward: number;
  readonly backward: number;
  readonly seconds: number;
  /** Most bytes resident at any time. */
  readonly peakMemory: number;
  /** What the measuring itself took. */
  readonly probeSeconds: number;
}

/** Share of the images that a network gets right, and that are attacked: about that of small robust networks on CIFAR-10. */
const STANDING = 0.5;
/** How often everything is timed, one after the other. */
const ROUNDS = 3;
/** Images of the probe of the alarm for catastrophic overfitting. */
const ALARM_IMAGES = 256;

/** What a stage is asked to do. */
export interface StageWorkload {
  readonly epochs: number;
  /** Batches an epoch. */
  readonly batches: number;
  /** Of measuring the network once, after an epoch. */
  readonly measureSeconds: number;
  /** How often besides. */
  readonly measuredMore: number;
}

/** A whole stage from the cost of its batches. */
export function stageLine(stage: Stage, probe: StageProbe, work: StageWorkload): CostLine {
  const { epochs, batches, measureSeconds, measuredMore } = work;
  const warm = batches * Math.min(probe.warmup, epochs);
  const rest = batches * epochs - warm;
  const over = (of: (cost: BatchCost) => number) => warm * of(probe.during) + rest * of(probe.after);
  return {
    what: stage,
    forward: over(({ passes }) => passes.forward),
    backward: over(({ passes }) => passes.backward),
    seconds: over(({ seconds }) => seconds) + (epochs + measuredMore) * measureSeconds,
    peakMemory: probe.peakMemory,
  };
}

/** An attack on `images` in batches of `batchSize`, from the cost of one of them; each batch has an image that stands. */
export function attackLine(what: string, probe: AttackProbe, images: number, batchSize: number): CostLine {
  const { clean, attack, peakMemory } = probe;
  const batches = Math.ceil(images / batchSize);
  return {
    what,
    forward: batches * (clean.passes.forward + attack.passes.forward),
    backward: batches * attack.passes.backward,
    seconds: (images / probe.images) * (clean.seconds + STANDING * attack.seconds),
    peakMemory,
  };
}

interface Setting {
  readonly splits: Splits;
  readonly probes: Prober;
}

/** Steps of one of AutoAttack's attacks on an image that withstands it, and whether they are forward passes alone. */
function stepsOf(options: Readonly<Record<string, unknown>>): {
  readonly steps: number;
  readonly forwardOnly: boolean;
} {
  const of = (key: string, otherwise: number) => Number(options[key] ?? otherwise);
  if (options.queries !== undefined) return { steps: of("queries", 1), forwardOnly: true };
  const runs = of("restarts", 1) * of("targets", 1);
  return { steps: of("steps", 100) * runs * of("eot", 1), forwardOnly: false };
}

/** AutoAttack at most: no image that stands is broken before the end. Its steps are taken to cost what those of PGD do. */
function autoAttackLines(recipe: Recipe, item: EvaluationRecipe, setting: Setting): CostLine[] {
  const threat = buildThreat(recipe);
  const steps = 4;
  const probe = setting.probes.attack(recipe, { name: "pgd", steps });
  const perStep = { passes: { forward: 1, backward: 1 }, seconds: probe.attack.seconds / steps };
  const list = buildAttacks(preset(`aa-${String(item.version)}`).lists[threat.norm], threat);
  return list.map(({ name, options = {} }) => {
    const { steps: count, forwardOnly } = stepsOf(options);
    const seconds = count * (forwardOnly ? probe.clean.seconds : perStep.seconds);
    const attack = { passes: { forward: count, backward: forwardOnly ? 0 : count }, seconds };
    return itemLine(`autoattack: ${name}, at most`, { ...probe, attack }, item, setting.splits);
  });
}

function itemLine(what: string, probe: AttackProbe, item: EvaluationRecipe, { test }: Splits): CostLine {
  return attackLine(what, probe, Math.min(item.examples ?? test.length, test.length), test.batchSize);
}

function evaluationLines(recipe: Recipe, item: EvaluationRecipe, setting: Setting, suffix = ""): CostLine[] {
  if (item.name === "autoattack") return autoAttackLines(recipe, item, setting);
  const name = `${item.name}${typeof item.steps === "number" ? `-${item.steps}` : ""}${suffix}`;
  return [itemLine(name, setting.probes.attack(recipe, item), item, setting.splits)];
}

/** Seconds of measuring the network on the images that choose among epochs, under PGD-10. */
function measureSeconds(recipe: Recipe, stage: Stage, { splits, probes }: Setting): number {
  const split = recipe.selectOn === "test" ? splits.test : splits.selection;
  const probe = probes.attack(recipe, { name: "pgd", steps: 10 });
  const named = recipe.stages[stage];
  const loss = named && buildLoss(named.loss, buildThreat(recipe));
  const alarm = loss && alarmOf({ loss, overfittingAlarm: named.overfittingAlarm }) !== "off";
  const images = split.length + (alarm ? Math.min(ALARM_IMAGES, split.length) : 0);
  return attackLine("", probe, images, split.batchSize).seconds;
}

async function stageLines(recipe: Recipe, stages: readonly Stage[], setting: Setting): Promise<CostLine[]> {
  const lines: CostLine[] = [];
  for (const stage of stages) {
    const { epochs = 0, batches = setting.splits.train.steps } = recipe.stages[stage] ?? {};
    // The mask that a search ends with is measured once more.
    const measuredMore = stage === "search" ? 1 : 0;
    const work = { epochs, batches, measuredMore };
    const measured = measureSeconds(recipe, stage, setting);
    if (epochs > 0) {
      lines.push(stageLine(stage, await setting.probes.stage(recipe, stage), { ...work, measureSeconds: measured }));
    }
  }
  return lines;
}

const stagesOf = ({ stages }: Recipe) => STAGES.filter((stage) => stages[stage] !== undefined);

async function recipeRuns({ variants, ...base }: ResolvedRecipe, setting: Setting): Promise<RunEstimate[]> {
  const shared = variants === undefined ? [] : Object.entries(variants);
  const runs: RunEstimate[] = [];
  for (const [name, recipe] of [[shared.length > 0 ? "dense" : base.name, base] as const, ...shared]) {
    const stages = stagesOf(recipe).filter((stage) => recipe === base || stage !== "pretrain");
    const lines = await stageLines(recipe, stages, setting);
    runs.push({
      name,
      lines: [...lines, ...recipe.evaluation.flatMap((item) => evaluationLines(recipe, item, setting))],
    });
  }
  return runs;
}

/** A grid's runs measure clean accuracy; the last attack is made by the grid, on the network before finetuning too. */
async function gridRuns(grid: Grid, cells: Grid["cells"], dense: boolean, setting: Setting): Promise<RunEstimate[]> {
  const attacks = (recipe: Recipe, suffixes: readonly string[]) => {
    const item = recipe.evaluation.findLast(({ name }) => name !== "clean") ?? { name: "clean" };
    const clean: EvaluationRecipe = { name: "clean", ...(item.examples !== undefined && { examples: item.examples }) };
    const attacked = suffixes.flatMap((suffix) => evaluationLines(recipe, item, setting, suffix));
    return [...evaluationLines(recipe, clean, setting), ...attacked];
  };
  const runs: RunEstimate[] = [];
  if (dense) {
    const lines = await stageLines(grid.dense, stagesOf(grid.dense), setting);
    runs.push({ name: "dense", lines: [...lines, ...attacks(grid.dense, [""])] });
  }
  for (const { name, recipe, control } of cells) {
    const stages = stagesOf(recipe).filter((stage) => stage !== "pretrain" || control !== undefined);
    const lines = await stageLines(recipe, stages, setting);
    runs.push({ name, lines: [...lines, ...attacks(recipe, control ? [", after"] : [", before", ", after"])] });
  }
  return runs;
}

/** Sums up runs. */
export function totalOf(runs: readonly RunEstimate[], probeSeconds: number): Estimate {
  const lines = runs.flatMap((run) => run.lines);
  const sum = (of: (line: CostLine) => number) => lines.reduce((all, line) => all + of(line), 0);
  return {
    runs,
    forward: sum(({ forward }) => forward),
    backward: sum(({ backward }) => backward),
    seconds: sum(({ seconds }) => seconds),
    peakMemory: Math.max(0, ...lines.map(({ peakMemory }) => peakMemory ?? 0)),
    probeSeconds,
  };
}

export interface EstimateOptions {
  /** Counts passes only, on a few images: quick, and the times mean nothing. */
  readonly countOnly?: boolean | undefined;
  readonly onMessage?: ((text: string) => void) | undefined;
}

async function withProbes(
  recipe: Recipe,
  { countOnly, onMessage }: EstimateOptions,
  runsOf: (setting: Setting) => Promise<RunEstimate[]>,
): Promise<Estimate> {
  const splits = await buildData(recipe, onMessage);
  const { precision } = choosePrecision(recipe);
  const started = performance.now();
  using probes = prober({ splits, precision, countOnly });
  const setting = { splits, probes };
  for (let round = 0; round < (countOnly ? 1 : ROUNDS); round++) {
    probes.again();
    await runsOf(setting);
  }
  // Nothing is timed any more: with what all rounds found.
  const runs = await runsOf(setting);
  return totalOf(runs, (performance.now() - started) / 1000);
}

/** What `s2ap run` of this recipe costs. */
export function estimateRecipe(recipe: ResolvedRecipe, options: EstimateOptions = {}): Promise<Estimate> {
  return withProbes(recipe, options, (setting) => recipeRuns(recipe, setting));
}

/** What these cells of a grid cost, with the dense network where `dense`. */
export function estimateGrid(
  grid: Grid,
  {
    cells = grid.cells,
    dense = true,
    ...options
  }: EstimateOptions & { readonly cells?: Grid["cells"]; readonly dense?: boolean } = {},
): Promise<Estimate> {
  return withProbes(grid.dense, options, (setting) => gridRuns(grid, cells, dense, setting));
}
