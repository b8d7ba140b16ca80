import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { evaluate, type Measured } from "../../evaluation/index.js";
import { describedModel, type Model } from "../../models/index.js";
import { loadTensors } from "../../nn/index.js";
import { buildData, buildEvaluation, buildThreat } from "../../recipe/build.js";
import { loadModel } from "../../recipe/model-file.js";
import { registries } from "../../recipe/registries.js";
import { type EvaluationRecipe, type Named, type Recipe, recipeSchemas } from "../../recipe/schema.js";
import { readManifest } from "../../run/index.js";
import { torchVersion } from "../../torch/index.js";
import { DataError, diskError, expected, parseOptions, S2apError, sha256, UsageError } from "../../util/index.js";
import type { Job } from "../jobs.js";

export interface EvalOptions {
  /** A run folder, or a safetensors file. */
  readonly model: string;
  /** Description of the network in JSON, for safetensors that do not say what they are. */
  readonly arch?: string | undefined;
  /** Names, or YAML with options; default: those of the run's recipe, else `clean`. */
  readonly attacks: readonly string[];
  readonly norm?: string | undefined;
  readonly eps?: string | undefined;
  /** A name, or YAML with options; default: the run's, else cifar10. */
  readonly data?: string | undefined;
  readonly examples?: number | undefined;
  readonly batchSize?: number | undefined;
  readonly seed?: number | undefined;
}

/** Numbers, and where they come from. */
export interface EvalResult {
  readonly status: "done" | "stopped";
  readonly model: string;
  /** SHA-256 of the safetensors file. */
  readonly weights: string;
  readonly data: { readonly name: string; readonly sha256: string };
  readonly seed: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly results: readonly Measured[];
}

/** Files that a model argument means, and the recipe of its run if it has one. */
interface Source {
  readonly file: string;
  readonly recipe: Recipe | undefined;
}

function findSource(path: string): Source {
  if (!existsSync(path)) {
    throw new DataError(`${path}: expected a run folder or a safetensors file, got nothing there`, {
      code: "data/missing",
    });
  }
  if (!statSync(path).isDirectory()) return { file: path, recipe: undefined };
  const recipe = readManifest(path).recipe as unknown as Recipe | null;
  const file = join(path, "model.safetensors");
  if (existsSync(file)) return { file, recipe: recipe ?? undefined };
  throw new DataError(`${path}: expected a finished run, got one without model.safetensors; run it to its end`, {
    code: "data/unfinished-run",
  });
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw diskError(path, error, "read");
    throw new DataError(`${path}: expected JSON: ${error.message}`, { code: "data/architecture", cause: error });
  }
}

function openModel(source: Source, arch: string | undefined): Model {
  if (arch === undefined) return loadModel(source.file);
  return describedModel(readJson(arch), loadTensors(source.file).tensors);
}

/** `pgd`, or `{name: pgd, steps: 50}`. */
function named(where: string, text: string): unknown {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch {
    throw new UsageError(expected(where, "a name, or options such as {name: pgd, steps: 50}", text));
  }
  return typeof value === "string" ? { name: value } : value;
}

interface Plan {
  readonly data: Named;
  readonly items: readonly EvaluationRecipe[];
  readonly threat: Recipe["threat"] | undefined;
}

function makePlan(options: EvalOptions, recipe: Recipe | undefined): Plan {
  const { choices } = recipeSchemas(registries);
  const asked = options.attacks.map((text) => parseOptions("--attack", choices.evaluation, named("--attack", text)));
  const data = options.data === undefined ? (recipe?.data ?? { name: "cifar10" }) : named("--data", options.data);
  const threat =
    options.eps === undefined
      ? recipe?.threat
      : { norm: options.norm ?? recipe?.threat.norm ?? "linf", eps: options.eps };
  return {
    data: parseOptions("--data", choices.data, data) as Named,
    items: asked.length > 0 ? (asked as EvaluationRecipe[]) : (recipe?.evaluation ?? [{ name: "clean" }]),
    threat: threat && (parseOptions("eval", choices.threat, threat) as Recipe["threat"]),
  };
}

function attackOf(item: EvaluationRecipe, threat: Plan["threat"]) {
  if (item.name === "clean") return undefined;
  if (threat !== undefined) return buildEvaluation(item, buildThreat({ threat }));
  throw new UsageError(`eval: expected --eps with the attack ${item.name}, e.g. --eps 8/255, got nothing`);
}

/** Measures a network on the test set, in float32. */
export const job: Job<EvalOptions, EvalResult> = async (options, { shouldStop, report }) => {
  const source = findSource(options.model);
  const { data, items, threat } = makePlan(options, source.recipe);
  const attacks = items.map((item) => ({ item, attack: attackOf(item, threat) }));
  const model = openModel(source, options.arch);
  const splits = await buildData({ data }, (text) => report({ kind: "message", text }));
  const seed = options.seed ?? source.recipe?.seed ?? 0;
  const results: Measured[] = [];
  const poll = () => {
    if (shouldStop()) throw new S2apError("eval: stopped as asked", { code: "stopped" });
  };
  let status: EvalResult["status"] = "done";
  try {
    for (const { item, attack } of attacks) {
      const examples = options.examples ?? item.examples;
      const measured = evaluate(model, splits.test, attack, {
        examples,
        batchSize: options.batchSize,
        seed,
        shouldStop: poll,
        onProgress: (progress) => report({ kind: "evaluation", run: "", attack: item.name, ...progress }),
      });
      report({ kind: "event", run: "", event: { type: "evaluation", at: new Date().toISOString(), ...measured } });
      results.push(measured);
    }
  } catch (error) {
    if (!(error instanceof S2apError) || error.code !== "stopped") throw error;
    status = "stopped";
  }
  const { name, source: origin } = splits.test.dataset;
  const weights = sha256(readFileSync(source.file));
  const versions = { node: process.versions.node, torch: torchVersion() };
  return {
    status,
    model: basename(source.file),
    weights,
    data: { name, sha256: origin.sha256 },
    seed,
    versions,
    results,
  };
};
