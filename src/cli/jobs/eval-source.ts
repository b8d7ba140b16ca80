// What an evaluation is of: the network's files, the images, the threat.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { parse as parseYaml } from "yaml";
import { describedImages, type Split } from "../../data/index.js";
import { describedModel, type Model } from "../../models/index.js";
import { loadTensors, readMetadata } from "../../nn/index.js";
import { buildData } from "../../recipe/build.js";
import { loadModel } from "../../recipe/model-file.js";
import { registries } from "../../recipe/registries.js";
import { type Named, type Recipe, recipeSchemas } from "../../recipe/schema.js";
import { findManifest, readManifest } from "../../run/index.js";
import { ops, scope, torchVersion } from "../../torch/index.js";
import { DataError, diskError, expected, packageVersion, parseOptions, sha256, UsageError } from "../../util/index.js";
import type { EvalOptions } from "./eval-options.js";

/** Files that a model argument means, and the recipe of its run if it has one. */
export interface Source {
  readonly file: string;
  readonly recipe: Recipe | undefined;
}

/** The network that the command line names, by position or by `--weights`. */
export function findSource({ model, weights }: Pick<EvalOptions, "model" | "weights">): Source {
  if (model !== undefined && weights !== undefined) {
    throw new UsageError(`eval: expected a model or --weights, got both: ${model} and ${weights}`);
  }
  const path = model ?? weights;
  if (path === undefined) throw new UsageError("eval: expected a run folder, or --weights FILE, got nothing");
  if (!existsSync(path)) {
    throw new DataError(`${path}: expected a run folder or a safetensors file, got nothing there`, {
      code: "data/missing",
    });
  }
  if (!statSync(path).isDirectory()) return { file: path, recipe: undefined };
  const file = join(path, "model.safetensors");
  // What was imported is a folder too, of no run.
  const manifest = existsSync(file) ? findManifest(path) : readManifest(path);
  const recipe = (manifest?.recipe ?? undefined) as unknown as Recipe | undefined;
  if (existsSync(file)) return { file, recipe };
  throw new DataError(`${path}: expected a finished run, got one without model.safetensors; run it to its end`, {
    code: "data/unfinished-run",
  });
}

/** Share of zeros that a file of ours says it has. */
export function writtenSparsity({ file }: Source): number | undefined {
  const { sparsity } = readMetadata(file);
  const share = Number(sparsity);
  return sparsity !== undefined && share >= 0 && share <= 1 ? share : undefined;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw diskError(path, error, "read");
    throw new DataError(`${path}: expected JSON: ${error.message}`, { code: "data/architecture", cause: error });
  }
}

/** NaN answers every comparison with no: as accuracy it would look like a number. */
function requireFinite(file: string, { params, buffers }: Model): void {
  for (const [name, tensor] of [...params, ...buffers]) {
    if (scope(() => ops.all(ops.isfinite(tensor)).item())) continue;
    throw new DataError(`${file}: expected finite weights, got NaN or infinity in ${name}`, {
      code: "data/not-finite",
    });
  }
}

export function openModel({ file }: Source, arch: string | undefined, dtype: "float32" | "float64" = "float32"): Model {
  const described = () => describedModel(readJson(arch as string), loadTensors(file).tensors, { dtype });
  const model = arch === undefined ? loadModel(file) : described();
  requireFinite(file, model);
  if (arch !== undefined || dtype === "float32") return model;
  throw new UsageError(expected("--dtype float64", "a network described by --arch", file));
}

/** `pgd`, or `{name: pgd, steps: 50}`. */
export function named(where: string, text: string): unknown {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch {
    throw new UsageError(expected(where, "a name, or options such as {name: pgd, steps: 50}", text));
  }
  return typeof value === "string" ? { name: value } : value;
}

/** The test set: a file of images, or a data set by name, or the run's. */
export async function openImages(
  options: EvalOptions,
  recipe: Recipe | undefined,
  model: Model,
  say: (text: string) => void,
): Promise<Split> {
  const { images, data, batchSize, dtype } = options;
  if (images !== undefined) {
    if (data !== undefined) throw new UsageError(`eval: expected --images or --data, got both: ${images} and ${data}`);
    const { inputShape, numClasses } = model;
    return describedImages(images, { inputShape, numClasses, batchSize, dtype });
  }
  const { choices } = recipeSchemas(registries);
  const wanted = data === undefined ? (recipe?.data ?? { name: "cifar10" }) : named("--data", data);
  const { test } = await buildData({ data: parseOptions("--data", choices.data, wanted) as Named }, say);
  return test;
}

/** The threat of the options over that of the run; undefined where there is neither. */
export function threatFrom(
  { norm, eps }: Pick<EvalOptions, "norm" | "eps">,
  recipe: Recipe | undefined,
): Recipe["threat"] | undefined {
  const { choices } = recipeSchemas(registries);
  const radius = eps ?? recipe?.threat.eps;
  if (radius === undefined) return undefined;
  if (eps === undefined && norm !== undefined && norm !== recipe?.threat.norm) {
    throw new UsageError(
      `eval: expected --eps with --norm ${norm}, got only the run's, which is of ${recipe?.threat.norm}`,
    );
  }
  const threat = { norm: norm ?? recipe?.threat.norm ?? "linf", eps: radius };
  return parseOptions("eval", choices.threat, threat) as Recipe["threat"];
}

/** A name, a hash and versions: where numbers come from. */
export interface Origin {
  readonly name: string;
  readonly sha256: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** All that an evaluation needs. */
export interface Opened {
  readonly model: Model;
  readonly split: Split;
  readonly source: Source;
  readonly threat: Recipe["threat"] | undefined;
  readonly options: EvalOptions;
  readonly origin: Origin;
}

export function originOf({ file }: Source): Origin {
  const versions = { s2ap: packageVersion(), node: process.versions.node, torch: torchVersion() };
  return { name: basename(file), sha256: sha256(readFileSync(file)), versions };
}
