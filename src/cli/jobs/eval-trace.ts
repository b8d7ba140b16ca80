// One run of one attack on all images from given points, in float32 or float64, with what it did at every step: what is
// compared with other people's code.
import { join } from "node:path";
import {
  type Attack,
  type AttackObjective,
  attacks,
  breaks,
  changeNorm,
  crossEntropy,
  dlr,
  dlrTargeted,
  isSearchAttack,
  rankedClasses,
  runSearch,
  type SearchImages,
  type SearchRun,
  type SearchState,
  type Threat,
  targeted,
  type Victim,
} from "../../attacks/index.js";
import { pixelsOf, type Split } from "../../data/index.js";
import { bindNetwork, type Model } from "../../models/index.js";
import { loadTensors, type Passes, saveTensors } from "../../nn/index.js";
import { noGrad, ops, type Tensor, tensor } from "../../torch/index.js";
import { DataError, expected, makeFolder, parseOptions, rng, UsageError } from "../../util/index.js";
import type { EvalOptions } from "./eval-options.js";
import { withSteps } from "./eval-specs.js";

/** What a single run left, besides `trace.safetensors`. */
export interface Traced {
  readonly attack: string;
  readonly steps: number;
  readonly examples: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  readonly passes: Passes;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

type Dtype = "float32" | "float64";

function imagesIn(split: Split, dtype: Dtype, count: number) {
  const at = split.indices.slice(0, count);
  const stored = pixelsOf(split.dataset, at);
  const some = ops.to(stored, dtype);
  const x = stored.dtype === "uint8" ? ops.div(some, 255) : some;
  const y = ops.indexSelect(split.dataset.labels, 0, tensor(at));
  return { x: ops.contiguous(x, { memoryFormat: "channels_last" }), y };
}

/** `file.safetensors:key` as a tensor. */
function startTensor(text: string): Tensor {
  const colon = text.lastIndexOf(":");
  if (colon < 1) throw new UsageError(expected("--start", "FILE.safetensors:KEY", text));
  const [file, key] = [text.slice(0, colon), text.slice(colon + 1)];
  const { tensors } = loadTensors(file);
  const found = tensors.get(key);
  if (found !== undefined) return found;
  throw new DataError(expected(`--start ${file}`, `a key of the file (${[...tensors.keys()].join(", ")})`, key), {
    code: "data/start",
  });
}

/** Points as they are given; int8 is noise q / 127 of the ball: x + eps q / 127, in L2 over its norm. */
function startPoints(given: Tensor, x: Tensor, threat: Threat): Tensor {
  const dtype = x.dtype as Dtype;
  if (String(given.shape) !== String(x.shape)) {
    throw new DataError(expected("--start", `shape [${x.shape}], as the images have`, `[${given.shape}]`), {
      code: "data/start",
    });
  }
  if (given.dtype !== "int8") return ops.to(given, dtype);
  const noise = ops.div(ops.to(given, dtype), 127);
  if (threat.norm === "l1") throw new UsageError("--start: expected points for l1, got noise in int8");
  const length = threat.norm === "linf" ? 1 : changeNorm("l2", ops.zerosLike(noise), noise);
  const scaled = typeof length === "number" ? noise : ops.div(noise, ops.reshape(length, [-1, 1, 1, 1]));
  return ops.clamp(ops.add(x, scaled, { alpha: { float: threat.eps } }), { min: 0, max: 1 });
}

const APGD = { ce: "apgd-ce", dlr: "apgd-dlr", "dlr-targeted": "apgd-t" } as const;

function attackFor(
  spec: { readonly name: string; readonly options: Readonly<Record<string, unknown>> },
  { loss, steps, targetRank }: EvalOptions,
  threat: Threat,
): Attack {
  const isApgd = spec.name === "apgd" || Object.values<string>(APGD).includes(spec.name);
  const name = isApgd && loss !== undefined ? APGD[loss] : spec.name === "apgd" ? APGD.ce : spec.name;
  const row = attacks.get(name);
  const known = Object.keys((row.options as { shape?: object }).shape ?? {});
  const plain = isApgd || name === "pgd" || name === "fgsm";
  if (loss !== undefined && !plain && !known.includes("loss")) {
    throw new UsageError(expected(`--loss ${loss}`, "an attack that takes a loss", name));
  }
  const more = {
    ...(loss !== undefined && !plain && { loss }),
    ...(known.includes("targets") && targetRank !== undefined && { targets: Math.max(1, targetRank - 1) }),
  };
  const options = withSteps({ name, options: { ...spec.options, ...more } }, steps).options;
  return row.create(parseOptions(name, row.options, options) as never, { threat });
}

/** The run to follow: that of the rank asked for, else the first. */
function runOf(name: string, runs: readonly SearchRun[], rank: number | undefined): SearchRun {
  const found = rank === undefined ? runs[0] : runs.find((run) => run.rank === rank);
  if (found !== undefined) return found;
  const ranks = runs.flatMap((run) => run.rank ?? []).join(", ");
  throw new UsageError(expected("--target-rank", `a rank that ${name} aims at (${ranks || "none"})`, rank));
}

const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Stacks what has one number an image, and keeps the last of what has an image. */
function stepRecorder() {
  const rows = new Map<string, Tensor[]>();
  return {
    onStep(state: SearchState) {
      for (const [name, value] of Object.entries(state)) {
        if (value.shape.length !== 1) continue;
        rows.set(name, [...(rows.get(name)?.splice(0) ?? []), ops.clone(value)]);
      }
    },
    /** Step sizes are those of the steps done; of all else there is a row for the start too. */
    stacked: (steps: number) =>
      Array.from(rows, ([name, values]): [string, Tensor] => [
        snake(name),
        ops.stack(name === "stepSize" ? values.slice(0, steps) : values),
      ]),
  };
}

interface Setting {
  readonly victim: Victim;
  readonly threat: Threat;
  readonly images: SearchImages;
  readonly options: EvalOptions;
  readonly poll: () => void;
}

/** An attack made of searches. */
function traceSearch(attack: Attack, { victim, threat, images, options, poll }: Setting): [string, Tensor][] {
  if (!isSearchAttack(attack)) return [];
  const rank = options.targetRank ?? attack.runs[0]?.rank;
  const { search, key } = runOf(attack.name, attack.runs, rank);
  const aimed = targeted(images, rankedClasses(victim.logits(images.x)), rank);
  if (aimed === undefined) throw new UsageError(expected("--target-rank", "a rank among the classes", rank));
  const recorder = stepRecorder();
  const context = { ...aimed, victim, rng: rng(options.seed ?? 0, attack.name).at(...key) };
  const { state } = runSearch(search, threat, context, {
    leave: false,
    poll,
    onStep: (progress) => recorder.onStep(progress.state),
  });
  const last = Object.entries(state).filter(([, value]) => value.shape.length > 1);
  return [
    ...recorder.stacked(search.steps),
    ...last.map(([name, value]): [string, Tensor] => [snake(name), value]),
    ["x", state.x ?? state.found],
    ["x_best_adv", state.found],
  ];
}

/** An attack that is one function: its objective sees the loss at every point but the last. */
function tracePlain(attack: Attack, { victim, images, options, poll }: Setting): [string, Tensor][] {
  const { x, y, start, indices } = images;
  const ranks = options.loss === "dlr-targeted" ? rankedClasses(victim.logits(x)) : undefined;
  const objectives = { ce: crossEntropy, dlr };
  const chosen: AttackObjective =
    ranks === undefined
      ? (objectives[options.loss as "ce" | "dlr"] ?? crossEntropy)
      : dlrTargeted(ops.select(ranks, 1, (options.targetRank ?? 2) - 1));
  const losses: Float64Array[] = [];
  const seen: AttackObjective = (logits, labels) => {
    const values = chosen(logits, labels);
    losses.push(Float64Array.from(ops.detach(values).toNumbers()));
    return values;
  };
  const found = attack.perturb(victim, x, y, {
    rng: rng(options.seed ?? 0, attack.name),
    indices,
    objective: seen,
    poll,
    ...(start && { start }),
  });
  losses.push(Float64Array.from(noGrad(() => chosen(victim.logits(found), y)).toNumbers()));
  return [
    ["loss", tensor(Float64Array.from(losses.flatMap((row) => [...row])), [losses.length, indices.length])],
    ["x", found],
    ["x_best_adv", found],
  ];
}

function summary(attack: Attack, { victim, threat, images }: Setting, traced: Map<string, Tensor>) {
  const { x, y } = images;
  const found = traced.get("x_best_adv") as Tensor;
  const clean = ops.argmax(victim.logits(x), { dim: 1 });
  const broken = breaks(victim, threat, x, y, found);
  traced.set("broken", tensor(broken, [broken.length]));
  traced.set("norm", changeNorm(threat.norm, x, found));
  traced.set("pred", ops.argmax(victim.logits(found), { dim: 1 }));
  const correct = ops.eq(clean, y).toNumbers();
  const examples = broken.length;
  return {
    attack: attack.name,
    examples,
    cleanAccuracy: correct.filter(Boolean).length / examples,
    robustAccuracy: correct.filter((is, i) => is && broken[i] === 0).length / examples,
  };
}

/** Follows one run on all images, those that are wrong as they are included; to be called in a scope, which owns the tensors. */
export function trace(
  model: Model,
  split: Split,
  spec: { readonly name: string; readonly options: Readonly<Record<string, unknown>> },
  threat: Threat,
  options: EvalOptions,
  poll: () => void,
): Traced {
  return noGrad(() => {
    const attack = attackFor(spec, options, threat);
    const { victim } = bindNetwork(model, model);
    const given = options.start === undefined ? undefined : startTensor(options.start);
    const most = Math.min(options.examples ?? split.length, split.length, given?.shape[0] ?? split.length);
    const { x, y } = imagesIn(split, options.dtype ?? "float32", most);
    const points = given && startPoints(ops.slice(given, { end: most }), x, threat);
    const indices = split.indices.slice(0, most);
    const setting: Setting = { victim, threat, images: { x, y, start: points, indices }, options, poll };
    const traced = new Map(isSearchAttack(attack) ? traceSearch(attack, setting) : tracePlain(attack, setting));
    const rows = Math.max(...Array.from(traced, ([, { shape }]) => (shape.length === 2 ? (shape[0] ?? 1) : 1)));
    const { passes } = victim;
    return { ...summary(attack, setting, traced), steps: rows - 1, passes, tensors: traced };
  });
}

/** Writes `trace.safetensors`, and gives what the terminal shows. */
export function writeTrace(folder: string, traced: Traced): string {
  const path = join(folder, "trace.safetensors");
  makeFolder(folder);
  saveTensors(path, traced.tensors, { format: "pt", attack: traced.attack });
  return path;
}
