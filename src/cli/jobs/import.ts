// A checkpoint of another program becomes files of ours: a network that says what it is, and its masks.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { parse as parseYaml } from "yaml";
import type { ModelSpec } from "../../models/index.js";
import { disposeParams } from "../../nn/index.js";
import { adoptCheckpoint } from "../../recipe/foreign/adopt.js";
import type { ForeignCheckpoint } from "../../recipe/foreign/checkpoint.js";
import { readForeign } from "../../recipe/foreign/layout.js";
import type { MaskPlan } from "../../recipe/foreign/masks.js";
import { parseNormalisation } from "../../recipe/foreign/normalize.js";
import { saveMasks, saveModel } from "../../recipe/model-file.js";
import { DataError, expected, makeFolder, sha256, UsageError } from "../../util/index.js";
import type { Job } from "../jobs.js";

export interface ImportOptions {
  readonly file: string;
  readonly arch?: string | undefined;
  /** `key=value` each. */
  readonly set: readonly string[];
  readonly keepRatio?: number | undefined;
  readonly normalize?: string | undefined;
  /** A folder, or a file that ends in `.safetensors`; default `runs/` and the file's name. */
  readonly out?: string | undefined;
  readonly partial?: boolean | undefined;
  readonly force?: boolean | undefined;
}

export interface ImportResult
  extends Pick<ForeignCheckpoint, "layout" | "because" | "container" | "facts" | "dropped" | "warnings"> {
  readonly file: string;
  readonly sha256: string;
  readonly model: ModelSpec;
  /** Of the network, and those among them that are random. */
  readonly tensors: number;
  readonly random: readonly string[];
  readonly masks: MaskPlan;
  /** Share of zeros among the prunable weights, measured. */
  readonly sparsity: number;
  readonly layers: Readonly<Record<string, number>>;
  readonly notes: readonly string[];
  /** What was written; `path` is what other commands take. */
  readonly out: { readonly path: string; readonly model: string; readonly masks?: string };
}

const ENDINGS = /(\.pth\.tar|\.pt|\.pth|\.tar|\.t7|\.safetensors)?$/;

function outOf({ file, out = join("runs", basename(file).replace(ENDINGS, "")) }: ImportOptions) {
  if (!out.endsWith(".safetensors")) {
    return { path: out, model: join(out, "model.safetensors"), masks: join(out, "masks.safetensors") };
  }
  return { path: out, model: out, masks: out.replace(/\.safetensors$/, ".masks.safetensors") };
}

/** Before any work: what is there must not be lost. */
function checkOut({ path, model, masks }: ReturnType<typeof outOf>, force: boolean): void {
  if (existsSync(join(path, "run.json"))) {
    throw new UsageError(`import: expected --out other than a run folder, got ${path}`);
  }
  const there = [model, masks].filter(existsSync);
  if (there.length === 0 || force) return;
  throw new UsageError(
    `import: expected nothing at ${there.join(" and ")}, got a file: choose another place with --out, or overwrite with --force`,
    { code: "usage/exists" },
  );
}

/** `width=4` as an option of the network. */
function setting(text: string): [string, unknown] {
  const equals = text.indexOf("=");
  if (equals < 1) throw new UsageError(expected("--set", "key=value, e.g. imageSize=64", text));
  try {
    return [text.slice(0, equals), parseYaml(text.slice(equals + 1))];
  } catch {
    throw new UsageError(expected("--set", "a value in YAML, e.g. imageSize=64", text));
  }
}

function requireFile(file: string): void {
  if (!existsSync(file)) {
    throw new DataError(`${file}: expected a checkpoint, got nothing there`, { code: "data/missing" });
  }
  if (statSync(file).isDirectory()) {
    throw new DataError(`${file}: expected a checkpoint, got a folder: name the file in it`, {
      code: "data/not-a-file",
    });
  }
}

export const job: Job<ImportOptions, ImportResult> = (options) => {
  const { file, arch, set, keepRatio, normalize, partial, force = false } = options;
  requireFile(file);
  const out = outOf(options);
  checkOut(out, force);
  const normalisation = normalize === undefined ? undefined : (parseNormalisation(normalize) ?? "none");
  const checkpoint = readForeign(file);
  const { layout, because, container, facts, dropped } = checkpoint;
  const hash = sha256(readFileSync(file));
  const adopted = adoptCheckpoint(checkpoint, {
    ...{ arch, keepRatio, partial, normalize: normalisation },
    set: Object.fromEntries(set.map(setting)),
  });
  const { model, masks, mask, sparsity, random, notes, warnings } = adopted;
  const { keepRatio: kept } = mask;
  const imported = { file: basename(file), sha256: hash, layout, masks: mask.source, keepRatio: kept, random };
  makeFolder(out.path === out.model ? dirname(out.model) : out.path);
  if (masks) saveMasks(out.masks, masks);
  saveModel(out.model, model, { sparsity: String(sparsity.total), imported: JSON.stringify(imported) });
  const tensors = model.params.size + model.buffers.size;
  disposeParams(model.params, model.buffers, masks ?? new Map());
  return {
    ...{ file, sha256: hash, layout, because, container, facts, dropped, warnings },
    ...{ model: model.spec, tensors, random, masks: mask, notes },
    ...{ sparsity: sparsity.total, layers: sparsity.layers },
    out: { path: out.path, model: out.model, ...(masks && { masks: out.masks }) },
  };
};
