// A network given as a list of operations in JSON, run on safetensors of PyTorch names. It holds no code.
import { z } from "zod";
import {
  attention,
  type BatchNormMode,
  batchNorm,
  channelsLast,
  conv2d,
  layerNorm,
  linear,
  type ModelState,
  mapParams,
  tokens,
  widen,
} from "../nn/index.js";
import { keep, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { DataError, expected, parseOptions } from "../util/index.js";
import { count, type Operation, operation } from "./described-operations.js";
import { shortcutsOf } from "./described-shortcuts.js";
import { streamsOf } from "./described-streams.js";
import type { Model } from "./model.js";

/** An architecture description: `input` [C,H,W], `classes`, and `ops` run in order on a current tensor. */
export const descriptionSchema = z.strictObject({
  name: z.string().default("described"),
  input: z.tuple([count, count, count]),
  classes: z.int().min(2),
  ops: z.array(operation).min(1),
});

/** One operation on a current tensor; `stored` holds what `store` has put aside in this pass. */
export type Run = (state: ModelState, x: Tensor, mode: BatchNormMode, stored: Map<string, Tensor>) => Tensor;

type FloatType = "float32" | "float64";

function normalise(mean: readonly number[], std: readonly number[], dtype: FloatType): Run {
  const constant = (values: readonly number[]) =>
    keep(
      scope(() => ops.to(tensor(values, [1, values.length, 1, 1], { dtype: "float64" }), dtype)),
      { forever: true },
    );
  const [shift, scale] = [constant(mean), constant(std)];
  return (_state, x) => ops.div_(ops.sub(x, ops.to(shift, x.dtype)), ops.to(scale, x.dtype));
}

/** Whether an operation's result is a new tensor that nothing else reads, its own gradient included. */
const isFresh = (step: Operation | undefined) =>
  step?.op === "conv2d" || step?.op === "batchnorm2d" || step?.op === "linear";

/** What an operation does; `previous` is the one before it, whose result it may overwrite where nothing else reads it. */
export function compile(step: Operation, previous: Operation | undefined, dtype: FloatType): Run {
  const fresh = isFresh(previous);
  switch (step.op) {
    case "normalize":
      return normalise(step.mean, step.std, dtype);
    case "conv2d":
      return (state, x) => conv2d(state, step.name, x, { stride: step.stride, padding: step.padding });
    case "batchnorm2d":
      return (state, x, mode) => batchNorm(state, step.name, x, mode, { eps: step.eps });
    case "relu":
      return fresh || previous?.op === "add" ? (_state, x) => ops.relu_(x) : (_state, x) => ops.relu(x);
    case "maxpool2d":
      return (_state, x) =>
        ops.maxPool2d(x, step.kernel, { stride: [step.stride, step.stride], padding: step.padding });
    case "avgpool_global":
      return (state, x) => ops.meanDim(widen(state, x), [2, 3]);
    case "avgpool_to":
      return (state, x) => ops.adaptiveAvgPool2d(widen(state, x), [step.size, step.size]);
    case "flatten":
      return (_state, x) => ops.flatten(x, { startDim: 1 });
    case "linear":
      return (state, x) => linear(state, step.name, x);
    case "gelu":
      return (_state, x) => ops.gelu(x);
    case "layernorm":
      return (state, x) => layerNorm(state, step.name, x, { eps: step.eps });
    case "tokens":
      return (state, x) => tokens(state, step, x);
    case "attention":
      return (_state, x) => attention(x, step.heads);
    case "first_token":
      return (_state, x) => ops.select(x, 1, 0);
    case "store":
      return (_state, x, _mode, stored) => {
        stored.set(step.id, x);
        return x;
      };
    case "load":
      return (_state, _x, _mode, stored) => recall(stored, step.id);
    case "add": {
      const add = fresh ? ops.add_ : ops.add;
      return (_state, x, _mode, stored) => add(x, recall(stored, step.id));
    }
  }
}

function recall(stored: ReadonlyMap<string, Tensor>, id: string): Tensor {
  const found = stored.get(id);
  if (found === undefined)
    throw new DataError(expected("architecture", "an id stored before", id), { code: "data/architecture" });
  return found;
}

type Shapes = readonly (readonly [name: string, shape: readonly number[]])[];

/** The tensors of an operation, which PyTorch names and shapes so. */
function tensorsOf(step: Operation): { readonly params: Shapes; readonly buffers?: Shapes } {
  const affine = (name: string, size: number): Shapes => ["weight", "bias"].map((part) => [`${name}.${part}`, [size]]);
  switch (step.op) {
    case "conv2d":
    case "linear": {
      const kernel = step.op === "conv2d" ? [step.kernel, step.kernel] : [];
      const weight = [`${step.name}.weight`, [step.out, step.in, ...kernel]] as const;
      return { params: step.bias ? [weight, [`${step.name}.bias`, [step.out]]] : [weight] };
    }
    case "batchnorm2d": {
      const statistics = ["running_mean", "running_var"];
      return {
        params: affine(step.name, step.channels),
        buffers: statistics.map((part) => [`${step.name}.${part}`, [step.channels]]),
      };
    }
    case "layernorm":
      return { params: affine(step.name, step.size) };
    case "tokens": {
      const { classToken, positions, size } = step;
      return {
        params: [
          [classToken, [1, 1, size]],
          [positions, [1, step.count, size]],
        ],
      };
    }
    default:
      return { params: [] };
  }
}

/** DataError unless the tensors are those of the description, by name and shape. */
function requireTensors(description: string, shapes: Shapes, tensors: ReadonlyMap<string, Tensor>): void {
  const known = new Map(shapes);
  const refuse = (what: string) => {
    throw new DataError(`architecture '${description}': ${what}`, { code: "data/architecture" });
  };
  const missing = [...known.keys()].filter((key) => !tensors.has(key));
  const surplus = [...tensors.keys()].filter((key) => !known.has(key) && !key.endsWith(".num_batches_tracked"));
  if (missing.length + surplus.length > 0) {
    refuse(`expected the tensors it names, got missing [${missing.join(", ")}], unexpected [${surplus.join(", ")}]`);
  }
  for (const [name, shape] of known) {
    const got = (tensors.get(name) as Tensor).shape;
    if (String(got) !== String(shape)) refuse(`expected ${name} with shape [${shape}], got [${got}]`);
  }
}

/**
 * Builds a model from a description and its tensors (PyTorch state_dict names; `num_batches_tracked` is optional).
 * The tensors are copied in `dtype` (float32). Missing or unexpected names and other shapes are a DataError that names them.
 */
export function describedModel(
  description: unknown,
  tensors: ReadonlyMap<string, Tensor>,
  options: { readonly dtype?: "float32" | "float64" } = {},
): Model {
  const { dtype = "float32" } = options;
  const parsed = parseOptions("architecture", descriptionSchema, description);
  const owned = parsed.ops.map(tensorsOf);
  const params = owned.flatMap((of) => of.params);
  const buffers = owned.flatMap((of) => of.buffers ?? []);
  requireTensors(parsed.name, [...params, ...buffers], tensors);
  const last = parsed.ops.findLast((step) => step.op === "conv2d" || step.op === "linear");
  if (last?.op === "linear" && last.out !== parsed.classes) {
    const what = `classes ${parsed.classes} to be what its last linear layer has`;
    throw new DataError(expected(`architecture '${parsed.name}'`, what, last.out), { code: "data/architecture" });
  }
  const runs = parsed.ops.map((step, i) => compile(step, parsed.ops[i - 1], dtype));
  const select = (shapes: Shapes) =>
    keep(
      scope(() =>
        mapParams(new Map(shapes.map(([key]) => [key, tensors.get(key) as Tensor])), (t) =>
          channelsLast(ops.asType(t, { dtype })),
        ),
      ),
      { forever: true },
    );
  return {
    params: select(params),
    buffers: select(buffers),
    spec: { arch: "described", description: parsed },
    prunable: parsed.ops.flatMap((step) =>
      step.op === "conv2d" || step.op === "linear" ? [`${step.name}.weight`] : [],
    ),
    inputShape: parsed.input,
    numClasses: parsed.classes,
    shortcuts: shortcutsOf(parsed.ops),
    streams: streamsOf(parsed.ops),
    operations: parsed.ops,
    forward(state, x, { batchNorm: mode }) {
      const stored = new Map<string, Tensor>();
      return runs.reduce((current, run) => run(state, current, mode, stored), x);
    },
  };
}
