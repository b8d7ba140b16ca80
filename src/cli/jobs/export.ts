// A network of ours becomes a file for other programs.
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ModelSpec } from "../../models/index.js";
import { disposeParams } from "../../nn/index.js";
import { measureSparsity } from "../../pruning/index.js";
import { saveModel } from "../../recipe/model-file.js";
import { saveStateDict } from "../../recipe/state-dict.js";
import { expected, makeFolder, UsageError } from "../../util/index.js";
import type { Job } from "../jobs.js";
import { findSource, openModel } from "./eval-source.js";

export type ExportFormat = "pt" | "safetensors";

export interface ExportOptions {
  readonly model: string;
  readonly out: string;
  /** Default: what the name of `out` ends in. */
  readonly format?: ExportFormat | undefined;
  readonly force?: boolean | undefined;
}

export interface ExportResult {
  readonly out: string;
  readonly format: ExportFormat;
  readonly model: ModelSpec;
  readonly tensors: number;
  /** Share of zeros among the prunable weights, measured. */
  readonly sparsity: number;
}

function formatOf({ out, format }: ExportOptions): ExportFormat {
  const named = out.endsWith(".safetensors") ? "safetensors" : /\.(pt|pth|pth\.tar)$/.test(out) ? "pt" : undefined;
  if (format !== undefined && named !== undefined && named !== format) {
    throw new UsageError(expected("export", `--out that ends as ${format} files do, or no --format`, out));
  }
  const chosen = format ?? named;
  if (chosen !== undefined) return chosen;
  throw new UsageError(
    expected("export", "--format pt or safetensors, or --out that ends in .pt or .safetensors", out),
  );
}

export const job: Job<ExportOptions, ExportResult> = (options) => {
  const { model: from, out, force } = options;
  const format = formatOf(options);
  const source = findSource({ model: from, weights: undefined });
  if (resolve(out) === resolve(source.file)) {
    throw new UsageError(expected("export", "--out other than the network's own file", out));
  }
  if (existsSync(out) && force !== true) {
    throw new UsageError(
      `export: expected nothing at ${out}, got a file: choose another with --out, or overwrite with --force`,
      { code: "usage/exists" },
    );
  }
  const model = openModel(source, undefined);
  makeFolder(dirname(out));
  const { total: sparsity } = measureSparsity(model.params, model.prunable);
  if (format === "pt") saveStateDict(out, model);
  else saveModel(out, model, { sparsity: String(sparsity) });
  const tensors = model.params.size + model.buffers.size;
  disposeParams(model.params, model.buffers);
  return { out, format, model: model.spec, tensors, sparsity };
};
