// What two networks are compared by: what a network says of some images, before and after an attack, its input gradients and
// its features. Collected once a network, so that each is attacked once however many it is compared with.
import { type Attack, accuracy, crossEntropy, inputGradient } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import { bindNetwork, layerRuns, type Model } from "../../models/index.js";
import { countPasses, disposeParams, type LayerTensors } from "../../nn/index.js";
import { keep, ops, scope, type Tensor } from "../../torch/index.js";
import { rng, unknownName } from "../../util/index.js";

/** The features that the last layer turns into logits. */
export const BEFORE_HEAD = "before the last layer";

export interface ViewOptions {
  /** Images from the front of the split; default all. */
  readonly examples?: number | undefined;
  readonly batchSize?: number | undefined;
  /** What robust sets are measured with; default none are. */
  readonly attack?: Attack | undefined;
  /** Of the attack's noise, which is keyed per image; default 0. */
  readonly seed?: number | undefined;
  /** Convolutions and linear layers whose outputs are features too, by name without `.weight`. */
  readonly layers?: readonly string[] | undefined;
  /** Asked before every step; may throw to stop. */
  readonly poll?: (() => void) | undefined;
  readonly onProgress?:
    | ((progress: { readonly done: number; readonly of: number; readonly robust: number }) => void)
    | undefined;
}

export interface NetworkView {
  /** Hash of the data set, and positions in it: two views are compared image by image. */
  readonly data: string;
  readonly indices: Int32Array;
  /** Class of each image. */
  readonly labels: Int32Array;
  readonly predictions: Int32Array;
  /** Right after the attack too; null where nothing attacked. */
  readonly robust: readonly boolean[] | null;
  /** Of the cross-entropy with respect to the image, [N, C H W]. */
  readonly gradients: Tensor;
  /** [N,p] by layer, `BEFORE_HEAD` first. */
  readonly features: ReadonlyMap<string, Tensor>;
}

/** One row an image: pixels of a channel, or tokens, are averaged. */
function asRows(output: Tensor): Tensor {
  const { shape } = output;
  if (shape.length === 4) return ops.meanDim(output, [2, 3]);
  return shape.length === 3 ? ops.meanDim(output, 1) : ops.clone(output);
}

/**
 * Gathers features while the network runs. What is observed may be overwritten or freed after the call, so rows are made at
 * once, outside of the scopes that the network's steps have; the caller disposes of them.
 */
function gatherer(wanted: readonly string[]) {
  const rows = new Map<string, Tensor>();
  const set = (name: string, output: Tensor) => {
    rows.get(name)?.dispose();
    rows.set(
      name,
      keep(
        scope(() => ops.detach(asRows(output))),
        { forever: true },
      ),
    );
  };
  const observe = ({ name }: { readonly name: string }, { input, output }: LayerTensors) => {
    // Whichever layer comes last leaves its input here.
    set(BEFORE_HEAD, input);
    if (wanted.includes(name)) set(name, output);
  };
  return { rows, observe };
}

type Seen = Pick<NetworkView, "gradients" | "features">;

function batchView(model: Model, x: Tensor, y: Tensor, layers: readonly string[]): Seen {
  const { rows, observe } = gatherer(layers);
  const state = { params: model.params, buffers: model.buffers, observe };
  const logits = (at: Tensor) => model.forward(state, at, { batchNorm: "running" });
  const { gradient } = inputGradient({ logits, passes: countPasses() }, x, y, crossEntropy);
  return { gradients: ops.flatten(ops.contiguous(gradient), { startDim: 1 }), features: rows };
}

/** Before images are attacked: a wrong name is told at once. */
function assertLayers(model: Model, layers: readonly string[]): void {
  const known = [...layerRuns(model).keys()];
  const unknown = layers.find((name) => !known.includes(name));
  if (unknown !== undefined) throw unknownName("stability", "layer", unknown, known);
}

/** Looks at a network: float32, running batch-norm statistics. Its tensors are the caller's to dispose of. */
export function networkView(model: Model, split: Split, options: ViewOptions = {}): NetworkView {
  const { attack, layers = [], poll, seed = 0, onProgress, batchSize = split.batchSize } = options;
  assertLayers(model, layers);
  const examples = Math.min(options.examples ?? split.length, split.length);
  const { predictions } = scope(() =>
    accuracy(bindNetwork(model, model).victim, split, attack, {
      ...{ rng: rng(seed, "stability"), examples, batchSize },
      ...(poll && { poll }),
      ...(onProgress && { onProgress }),
    }),
  );
  const labels = Int32Array.from(scope(() => split.ordered(0, examples).y.toNumbers()));
  return {
    data: split.dataset.source.sha256,
    indices: split.indices.slice(0, examples),
    ...{ labels, predictions: predictions.clean },
    robust: attack === undefined ? null : Array.from(labels, (label, i) => predictions.adversarial[i] === label),
    ...gathered(model, split, { examples, batchSize, layers, poll }),
  };
}

interface GatherOptions {
  readonly examples: number;
  readonly batchSize: number;
  readonly layers: readonly string[];
  readonly poll: (() => void) | undefined;
}

/** Gradients and features of all images, in tensors that no scope owns. */
function gathered(model: Model, split: Split, { examples, batchSize, layers, poll }: GatherOptions): Seen {
  const batches: Seen[] = [];
  try {
    for (let start = 0; start < examples; start += batchSize) {
      poll?.();
      const view = scope(() => {
        const { x, y } = split.ordered(start, Math.min(batchSize, examples - start));
        return batchView(model, x, y, layers);
      });
      batches.push(keep(view, { forever: true }));
    }
    const names = [...(batches[0]?.features.keys() ?? [])];
    const seen = scope((): Seen => {
      const all = (name: string) => ops.cat(batches.map(({ features }) => features.get(name) as Tensor));
      const gradients = ops.cat(batches.map((batch) => batch.gradients));
      return { gradients, features: new Map(names.map((name) => [name, all(name)])) };
    });
    return keep(seen, { forever: true });
  } finally {
    for (const batch of batches) disposeView(batch);
  }
}

export function disposeView({ gradients, features }: Pick<NetworkView, "gradients" | "features">): void {
  gradients.dispose();
  disposeParams(features);
}
