import { type BatchNormMode, countPasses, type ModelState, mapParams, type Passes } from "../nn/index.js";
import { autocast, noGrad, ops, type Precision, type Tensor } from "../torch/index.js";
import type { Model } from "./model.js";

/** A model at one materialised state, ready for the many passes of a step; every pass is counted. */
export interface Network {
  /** For attacks: weights frozen, running statistics; only the input gets a gradient. Made at first use. */
  readonly victim: { logits(x: Tensor): Tensor; readonly passes: Passes };
  /** All passes through this network. */
  readonly passes: Passes;
  /** For training: logits [N,K] float32 with a graph to whatever in the state requires a gradient. */
  forward(mode: BatchNormMode): (x: Tensor) => Tensor;
}

export interface NetworkOptions {
  /** Arithmetic of convolutions and products; default float32. */
  readonly precision?: Precision;
  readonly passes?: Passes;
}

/** In bfloat16 the weights are cast once, for all passes that do not train them. */
function freeze(state: ModelState, precision: Precision): ModelState {
  const params = mapParams(state.params, (tensor, name) => {
    const detached = ops.detach(tensor);
    const isMatrix = tensor.shape.length > 1 && name.endsWith(".weight");
    return precision === "bfloat16" && isMatrix ? ops.to(detached, "bfloat16") : detached;
  });
  return { params, buffers: state.buffers };
}

export function bindNetwork(model: Model, state: ModelState, options: NetworkOptions = {}): Network {
  const { precision = "float32", passes = countPasses() } = options;
  const run = (at: ModelState, x: Tensor, mode: BatchNormMode) => {
    passes.forward += 1;
    const logits = autocast(precision, () => model.forward(at, x, { batchNorm: mode }));
    return logits.dtype === "bfloat16" ? ops.to(logits, "float32") : logits;
  };
  let victim: Network["victim"] | undefined;
  return {
    passes,
    get victim() {
      if (victim === undefined) {
        const frozen = noGrad(() => freeze(state, precision));
        victim = { logits: (x) => run(frozen, x, "running"), passes };
      }
      return victim;
    },
    forward: (mode) => (x) => run(state, x, mode),
  };
}
