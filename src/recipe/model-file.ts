// Networks and masks as files that others read: plain safetensors, with the network's description in the metadata.
import { existsSync } from "node:fs";
import { type Model, type ModelSpec, withState } from "../models/index.js";
import { cloneParams, copyInto, disposeParams, loadTensors, mapParams, type Params, saveTensors } from "../nn/index.js";
import { applyMasks, type Masks } from "../pruning/index.js";
import { differences } from "../run/index.js";
import { keep, ops, scope, type Tensor } from "../torch/index.js";
import { grouped } from "../train/index.js";
import { DataError, show } from "../util/index.js";
import { buildModel } from "./build.js";

/** Writes parameters and buffers by their PyTorch names, and the spec to build the network again. */
export function saveModel(path: string, model: Model, metadata: Readonly<Record<string, string>> = {}): void {
  const state = new Map([...model.params, ...model.buffers]);
  saveTensors(path, state, { ...metadata, format: "pt", spec: JSON.stringify(model.spec) });
}

/** Writes masks as uint8 0/1 tensors shaped like their weights. */
export function saveMasks(path: string, masks: Masks): void {
  scope(() =>
    saveTensors(
      path,
      mapParams(masks, (mask) => ops.to(mask, "uint8")),
      { format: "pt" },
    ),
  );
}

/** Reads masks as float32 0/1 tensors that no scope owns. */
export function loadMasks(path: string): Map<string, Tensor> {
  const { tensors } = loadTensors(path);
  for (const [name, mask] of tensors) {
    tensors.set(name, ops.to(mask, "float32"));
    mask.dispose();
  }
  return tensors;
}

function parseSpec(path: string, text: string | undefined): ModelSpec {
  if (text === undefined) {
    throw new DataError(
      `${path}: expected a network's description in its metadata, got none: name one with --arch FILE.json`,
      { code: "data/no-architecture" },
    );
  }
  return JSON.parse(text) as ModelSpec;
}

function compare(path: string, model: Model, tensors: Params): void {
  const wanted = [...model.params.keys(), ...model.buffers.keys()];
  const missing = wanted.filter((name) => !tensors.has(name));
  const unexpected = [...tensors.keys()].filter((name) => !wanted.includes(name));
  const shapes = wanted.filter((name) => {
    const own = model.params.get(name) ?? model.buffers.get(name);
    return own && tensors.has(name) && String(own.shape) !== String(tensors.get(name)?.shape);
  });
  if (missing.length + unexpected.length + shapes.length === 0) return;
  throw new DataError(
    `${path}: expected the tensors of ${model.spec.arch}, got missing [${missing.join(", ")}], unexpected [${unexpected.join(", ")}], of another shape [${shapes.join(", ")}]`,
    { code: "data/architecture" },
  );
}

/** The tensors of a network: a file's own, or those of a finished stage's result with its masks applied. */
function networkTensors(path: string): { tensors: Map<string, Tensor>; spec: string | undefined } {
  const { tensors, metadata } = loadTensors(path);
  if (metadata.meta === undefined) return { tensors, spec: metadata.spec };
  const groups = grouped(tensors);
  const [params = new Map(), buffers = new Map(), masks = new Map()] = ["params", "buffers", "masks"].map((name) =>
    groups.get(name),
  );
  if ("step" in (JSON.parse(metadata.meta) as object)) {
    throw new DataError(`${path}: expected a network or a finished stage, got the position of a stage at work`, {
      code: "data/unfinished-stage",
    });
  }
  const network = keep(
    scope(() => cloneParams(new Map([...applyMasks(params, masks), ...buffers]))),
    { forever: true },
  );
  disposeParams(tensors);
  return { tensors: network, spec: undefined };
}

function compareSpecs(path: string, found: ModelSpec, wanted: ModelSpec): void {
  const apart = differences(wanted, found).filter((d) => d.before !== undefined && d.after !== undefined);
  if (apart.length === 0) return;
  const text = (side: "before" | "after") => apart.map((d) => `${d.path} ${show(d[side])}`).join(", ");
  throw new DataError(`${path}: expected the recipe's model (${text("before")}), got another one (${text("after")})`, {
    code: "data/architecture",
  });
}

/**
 * Reads a network that `saveModel` or a run wrote; every tensor must be there and fit. With `wanted` it must be that
 * network, and may also be the result of a stage, or other people's safetensors, which do not say what they are.
 */
export function loadModel(path: string, wanted?: ModelSpec): Model {
  if (!existsSync(path))
    throw new DataError(`${path}: expected a model file, got nothing there`, { code: "data/missing" });
  const { tensors, spec } = networkTensors(path);
  const own = spec === undefined ? undefined : parseSpec(path, spec);
  if (own && wanted) compareSpecs(path, own, wanted);
  const model = buildModel(own ?? wanted ?? parseSpec(path, undefined), 0);
  compare(path, model, tensors);
  copyInto(model.params, tensors);
  copyInto(model.buffers, tensors);
  disposeParams(tensors);
  return withState(model, {});
}
