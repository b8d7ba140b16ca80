import {
  BLOCK,
  buildAttacks,
  type Check,
  type Distances,
  type Measured,
  maskApplied,
  networkName,
  preset,
  type Robustness,
} from "../../evaluation/index.js";
import { buildThreat } from "../../recipe/build.js";
import { claimedSparsity } from "../../recipe/claim.js";
import { assertClassesOf } from "../../recipe/class-index.js";
import { type MeasuredItem, measure } from "../../recipe/measure.js";
import { registries } from "../../recipe/registries.js";
import { type EvaluationRecipe, type Recipe, recipeSchemas } from "../../recipe/schema.js";
import { scope } from "../../torch/index.js";
import { parseOptions, S2apError, UsageError, wilson } from "../../util/index.js";
import type { Job, JobContext } from "../jobs.js";
import { curveDistances, distancesBeside, isCurve } from "./eval-distances.js";
import { drawCurve, finishList } from "./eval-finish.js";
import { runList } from "./eval-list.js";
import type { Divisible, EvalAnswer, EvalOptions, EvalResult, TraceResult } from "./eval-options.js";
import { compareJob, curvesJob, verifyJob } from "./eval-records.js";
import {
  findSource,
  named,
  type Opened,
  openImages,
  openModel,
  originOf,
  threatFrom,
  writtenSparsity,
} from "./eval-source.js";
import { listOf, type Spec, withSteps } from "./eval-specs.js";
import { trace, writeTrace } from "./eval-trace.js";

type Item = EvaluationRecipe;

/** The attacks of `--attack`, with their defaults; `apgd` is short for the one that `--loss` names. */
function askedFor({ attacks, steps }: EvalOptions): Item[] {
  const { choices } = recipeSchemas(registries);
  return attacks.map((text) => {
    const { name, ...options } = parseOptions("--attack", choices.evaluation, named("--attack", text)) as Item;
    if (name === "clean" || name === "autoattack") return { name, ...options };
    return { name, ...withSteps({ name, options }, steps).options };
  });
}

const specOf = ({ name, examples: _examples, ...options }: Item): Spec => ({ name, options });

function requireThreat(threat: Recipe["threat"] | undefined, what: string) {
  if (threat !== undefined) return buildThreat({ threat });
  throw new UsageError(`eval: expected --eps with ${what}, e.g. --eps 8/255, got nothing`);
}

const isTrace = ({ start, dtype, loss, targetRank }: EvalOptions) =>
  start !== undefined || dtype !== undefined || loss !== undefined || targetRank !== undefined;

/** Whether attacks are asked for: they are a list, be it of one, so that no other option changes the number. */
function isList(options: EvalOptions, asked: readonly Item[]): boolean {
  const { preset: name, out, shard, until, warmStart, individual, faithful, precision } = options;
  if (name !== undefined || asked.some((item) => item.name !== "clean")) return true;
  const only = [out, shard, until, warmStart, precision].some((value) => value !== undefined) || individual || faithful;
  if (only !== true) return false;
  throw new UsageError("eval: expected an attack or a preset with --out, --shards, --until and the like, got none");
}

/** What is claimed of the network's zeros: on the command line, by the recipe of its run, or by the file itself. */
const claimOf = ({ options, source }: Opened) =>
  options.sparsity ?? (source.recipe === undefined ? writtenSparsity(source) : claimedSparsity(source.recipe));

/** The measured zeros against the claim, where no list of attacks compares them. */
function comparedZeros(opened: Opened, { report }: JobContext): Check[] {
  const checks = maskApplied(opened.model, claimOf(opened));
  for (const { message: text } of checks) report({ kind: "warning", text });
  return checks;
}

function pollOf({ shouldStop }: JobContext): () => void {
  return () => {
    if (shouldStop()) throw new S2apError("eval: stopped as asked", { code: "stopped" });
  };
}

const stoppedAsAsked = (error: unknown) => error instanceof S2apError && error.code === "stopped";

function originIn({ origin, split, options, source }: Opened) {
  const { name, source: data } = split.dataset;
  return {
    model: origin.name,
    weights: origin.sha256,
    data: { name, sha256: data.sha256 },
    seed: options.seed ?? source.recipe?.seed ?? 0,
    versions: origin.versions,
  };
}

/** Clean accuracy, or a recipe's evaluation: attacks by themselves, each on all images. */
function runSingles(opened: Opened, items: readonly Item[], context: JobContext): EvalResult {
  const { model, split, threat, options } = opened;
  const radius = (item: Item) => () => requireThreat(threat, `the attack ${item.name}`);
  for (const item of items) if (item.name !== "clean") radius(item)();
  const origin = originIn(opened);
  const results: MeasuredItem[] = [];
  const compared = comparedZeros(opened, context);
  let status: EvalResult["status"] = "done";
  try {
    for (const item of items) {
      const measured = measure(model, split, item, radius(item), {
        examples: options.examples,
        batchSize: options.batchSize,
        seed: origin.seed,
        shouldStop: pollOf(context),
        onWarning: (text) => context.report({ kind: "warning", text }),
        onProgress: (progress) => context.report({ kind: "evaluation", run: "", attack: item.name, ...progress }),
      });
      context.report({
        kind: "event",
        run: "",
        event: { type: "evaluation", at: new Date().toISOString(), ...measured },
      });
      results.push(measured);
    }
  } catch (error) {
    if (!stoppedAsAsked(error)) throw error;
    status = "stopped";
  }
  const checks = [...compared, ...results.flatMap((measured) => measured.checks ?? [])];
  const raised = checks.length === 0 ? {} : { checks };
  return { kind: "evaluation", status, ...origin, ...summaryOf(results), ...raised, results };
}

/** The last attack's numbers, which are those of clean images where nothing attacked. */
function summaryOf(results: readonly Measured[]): Partial<EvalResult> {
  const last = results.at(-1);
  if (last === undefined) return {};
  const { examples, cleanAccuracy, robustAccuracy, interval } = last;
  const after = Object.fromEntries([["clean", cleanAccuracy], ...results.map((r) => [r.attack, r.robustAccuracy])]);
  return {
    ...{ examples, cleanAccuracy, robustAccuracy, interval, after },
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

/** A list's outcomes in the form of single measurements, called by what was done: `pgd-3`. */
function measurements(found: Robustness, called: ReadonlyMap<string, string>, withClean: boolean): Measured[] {
  const { norm, eps, examples, cleanAccuracy, cleanInterval } = found;
  const clean = { examples, cleanAccuracy, cleanInterval };
  const attacked = found.attacks.map(({ attack, robustAccuracy, interval, passes, seconds }) => ({
    ...{ attack: called.get(attack) ?? attack, norm, eps, ...clean, robustAccuracy, interval, passes, seconds },
  }));
  if (!withClean) return attacked;
  const left = (of: (each: Pick<Robustness, "passes" | "seconds">) => number) =>
    attacked.reduce((rest, each) => rest - of(each), of(found));
  const passes = { forward: left((each) => each.passes.forward), backward: left((each) => each.passes.backward) };
  const unattacked = { attack: "clean", norm: null, eps: "", robustAccuracy: cleanAccuracy, interval: cleanInterval };
  return [
    {
      ...unattacked,
      ...clean,
      passes,
      seconds: Math.max(
        0,
        left((each) => each.seconds),
      ),
    },
    ...attacked,
  ];
}

async function runAttacks(opened: Opened, asked: readonly Item[], context: JobContext): Promise<EvalResult> {
  const { model, split, options } = opened;
  const threat = requireThreat(opened.threat, "attacks");
  const list = listOf(options, asked.filter(({ name }) => name !== "clean").map(specOf), threat);
  const origin = originIn(opened);
  const record = options.out === undefined ? {} : { record: options.out };
  const called = new Map(buildAttacks(list.specs, threat).map(({ name, attack }) => [name, attack.name]));
  const withClean = asked.some(({ name }) => name === "clean");
  const answer = (found: Robustness, status: EvalResult["status"]): EvalResult => {
    const { images: _images, ...rest } = found;
    return {
      kind: "evaluation",
      status,
      ...origin,
      ...rest,
      ...record,
      results: measurements(found, called, withClean),
    };
  };
  let known: Robustness | undefined;
  const keep = (found: Robustness) => {
    known = found;
  };
  try {
    const at = { ...options, seed: origin.seed, sparsity: claimOf(opened) };
    const polled = { ...context, poll: pollOf(context), onInterrupted: keep };
    const attacked = runList({ model, split, threat, list }, at, polled);
    keep(attacked);
    const { minimumNorm, leftOut } = attacked.verdict ? {} : distancesBeside(opened, origin.seed, polled);
    // A record that began without the claim has not compared it.
    const unknown = maskApplied(model, at.sparsity).filter(({ code }) => !attacked.checks.some((c) => c.code === code));
    const found = { ...attacked, checks: [...attacked.checks, ...unknown, ...(leftOut ? [leftOut] : [])] };
    const finished = await finishList(opened, found, minimumNorm);
    return { ...answer(found, "done"), ...(minimumNorm && { minimumNorm }), ...finished };
  } catch (error) {
    if (!stoppedAsAsked(error)) throw error;
    if (known !== undefined) return answer(known, "stopped");
    return { kind: "evaluation", status: "stopped", ...origin, ...record, results: [] };
  }
}

/** Distances and what follows from them at the radius. */
async function runCurve(opened: Opened, asked: readonly Item[], context: JobContext): Promise<EvalResult> {
  const { options, model } = opened;
  const origin = originIn(opened);
  const record = options.out === undefined ? {} : { record: options.out };
  const checks = comparedZeros(opened, context);
  const answer = (found: Distances, status: EvalResult["status"]): EvalResult => {
    const { attack, norm, eps, examples, cleanAccuracy, robustAccuracy, interval, passes, seconds } = found;
    const cleanInterval = wilson(Math.round(cleanAccuracy * examples), examples);
    const numbers = { norm, eps, examples, cleanAccuracy, cleanInterval, robustAccuracy, interval, passes, seconds };
    const after = { clean: cleanAccuracy, [attack]: robustAccuracy };
    const measurement = {
      ...{ preset: options.preset as string, ...numbers, after, minimumNorm: found },
      ...(checks.length > 0 && { checks }),
    };
    return { kind: "evaluation", status, ...origin, ...measurement, ...record, results: [{ attack, ...numbers }] };
  };
  let known: Distances | undefined;
  const onBlock = (found: Distances) => {
    known = found;
  };
  try {
    const polled = { ...context, poll: pollOf(context), onBlock };
    const found = curveDistances(opened, asked.map(specOf), origin.seed, polled);
    const curve = options.out === undefined ? undefined : await drawCurve(options.out, found, networkName(model));
    return { ...answer(found, "done"), ...(curve && { files: { curve } }) };
  } catch (error) {
    if (!stoppedAsAsked(error)) throw error;
    if (known !== undefined) return answer(known, "stopped");
    return { kind: "evaluation", status: "stopped", ...origin, ...record, results: [] };
  }
}

function runTrace(opened: Opened, asked: readonly Spec[], context: JobContext): TraceResult {
  const { model, split, options } = opened;
  const [spec] = asked;
  if (spec === undefined || asked.length !== 1 || options.preset !== undefined) {
    throw new UsageError("eval: expected one --attack with --start, --dtype, --loss and --target-rank");
  }
  const { out } = options;
  if (out === undefined) throw new UsageError("eval: expected --out FOLDER for what a single run did, got nothing");
  const threat = requireThreat(opened.threat, `the attack ${spec.name}`);
  return scope(() => {
    const begun = performance.now();
    const traced = trace(model, split, spec, threat, options, pollOf(context));
    const file = writeTrace(out, traced);
    const { tensors, attack, robustAccuracy, cleanAccuracy, ...rest } = traced;
    const shapes = Object.fromEntries(Array.from(tensors, ([name, { shape }]) => [name, shape]));
    const after = { clean: cleanAccuracy, [attack]: robustAccuracy };
    const seconds = (performance.now() - begun) / 1000;
    const numbers = { attack, cleanAccuracy, robustAccuracy, after, ...rest };
    return { kind: "trace", status: "done", ...originIn(opened), ...numbers, seconds, file, tensors: shapes };
  });
}

/** `apgd` names a family of which `--loss` chooses; a trace does that itself. */
const traceSpecs = ({ attacks }: EvalOptions): Spec[] =>
  attacks.map((text) => {
    const { name, ...options } = named("--attack", text) as { name: string };
    return { name, options };
  });

/** `--attack autoattack` alone is short for its preset. */
function presetOf(options: EvalOptions): EvalOptions {
  const [text, ...more] = options.attacks;
  if (text === undefined || more.length > 0 || options.preset !== undefined) return options;
  const { choices } = recipeSchemas(registries);
  const asked = named("--attack", text) as { readonly name?: unknown };
  if (asked?.name !== "autoattack") return options;
  const { version, examples } = parseOptions("--attack", choices.evaluation, asked) as Item;
  return { ...options, attacks: [], preset: `aa-${version}`, examples: options.examples ?? examples };
}

/** The images that an attack which is asked for alone names itself. */
function examplesOf(options: EvalOptions, asked: readonly Item[]): EvalOptions {
  const [only, ...more] = asked;
  return more.length > 0 || options.preset !== undefined
    ? options
    : { ...options, examples: options.examples ?? only?.examples };
}

function radiusOf(options: EvalOptions): EvalOptions {
  const eps = options.eps ?? (options.preset === undefined ? undefined : preset(options.preset).eps);
  return { ...options, eps };
}

/** Blocks of a list of attacks, which processes can share; one where they cannot. */
function blocksOf({ split, options }: Opened): number {
  const { divisible, until, faithful, examples = split.length } = options;
  if (!divisible || until !== undefined || faithful) return 1;
  return Math.ceil(Math.min(examples, split.length) / BLOCK);
}

/** Measures a network on the test set, in float32 unless told otherwise. */
export const job: Job<EvalOptions, EvalAnswer | Divisible> = async (given, context) => {
  const wanted = radiusOf(presetOf(given));
  if (wanted.compare !== undefined) return compareJob(wanted.compare);
  if (wanted.curves !== undefined) return curvesJob(wanted);
  const say = (text: string) => context.report({ kind: "message", text });
  const asked = isTrace(wanted) ? [] : askedFor(wanted);
  const options = examplesOf(wanted, asked);
  const list = !isTrace(options) && options.verify === undefined && isList(options, asked);
  const source = findSource(options);
  const threat = threatFrom(options, source.recipe);
  if (list) requireThreat(threat, "attacks");
  const model = openModel(source, options.arch, options.dtype);
  const split = await openImages(options, source.recipe, model, say);
  assertClassesOf(source.file, split.dataset);
  const opened: Opened = { model, split, source, threat, options, origin: originOf(source) };
  if (options.verify !== undefined) return verifyJob(options.verify, opened);
  if (isTrace(options)) return runTrace(opened, traceSpecs(options), context);
  if (list && isCurve(options)) return runCurve(opened, asked, context);
  const blocks = list ? blocksOf(opened) : 1;
  if (blocks > 1) return { kind: "divisible", blocks };
  if (list) return runAttacks(opened, asked, context);
  const items = asked.length > 0 ? asked : (source.recipe?.evaluation ?? [{ name: "clean" }]);
  return runSingles(opened, items, context);
};
