// What a file of tensors is, as data: layout, network, normalisation, masks, sparsity, what is left out and why. Nothing is
// trained or initialised for it but the network that names and shapes are compared with.
import { compareWith, equivalentForm, fits, type Guess, guessArchitecture, models } from "../../models/index.js";
import { disposeParams, type RawTensor } from "../../nn/index.js";
import { fromBytes, ops, scope } from "../../torch/index.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import { type MaskOptions, type MaskPlan, planMasks, rebuildMasks } from "./masks.js";
import { likelyNormalisation, type Normalisation } from "./normalize.js";
import { elements, type LayerZeros, layerZeros, sparsityOf } from "./zeros.js";

/** A network that the tensors may be of. */
export interface InspectedNetwork extends Guess {
  /** Whether every tensor is there and fits, and no other. */
  readonly fits: boolean;
  /** `file` where the file says it, `names` where it was found by names and shapes. */
  readonly from: "file" | "names";
  /** What is read in another notation. */
  readonly notes: readonly string[];
}

export interface InspectedLayer extends LayerZeros {
  /** Weights that the masks keep; undefined where there are no masks, or not yet. */
  readonly kept?: number | undefined;
}

export interface Inspection extends Omit<ForeignCheckpoint, "where" | "state" | "scores" | "rates" | "masks"> {
  readonly file: string;
  /** The network, or the nearest; undefined where s2ap knows none with a tensor of these names. */
  readonly network: InspectedNetwork | undefined;
  readonly normalisation: {
    /** `file`: in the file. `likely`: of networks like this, whose files do not say it. `none`: images in [0, 1] as they are. */
    readonly source: "file" | "likely" | "none";
    readonly value?: Normalisation | undefined;
    /** What `import --normalize` takes. */
    readonly name?: string | undefined;
  };
  readonly tensors: number;
  /** Trained numbers: all but running statistics. */
  readonly parameters: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly layers: readonly InspectedLayer[];
  /** Share of zeros among the prunable weights as they are in the file, in [0,1]. */
  readonly sparsity: number;
  /** The same with the masks applied. */
  readonly maskedSparsity?: number | undefined;
  readonly masks: MaskPlan & {
    /** Layers that have them. */
    readonly scores: number;
    readonly rates: number;
    readonly masks: number;
  };
}

const shapesOf = (state: ForeignCheckpoint["state"]) =>
  new Map(Array.from(state, ([name, { shape }]) => [name, shape]));

/** Options of a network that a file of ours names; `undefined` where it is no registered one. */
export interface NamedNetwork {
  readonly arch: string;
  readonly [option: string]: unknown;
}

function networkOf({ state }: ForeignCheckpoint, named: NamedNetwork | undefined): InspectedNetwork | undefined {
  const shapes = shapesOf(state);
  const { notes } = equivalentForm(shapes);
  if (named !== undefined) {
    // It is no part of what tensors tell, and is shown by itself.
    const { arch, normalize: _normalize, ...options } = named;
    if (!models.has(arch)) return undefined;
    const guess = compareWith(arch, shapes, options);
    return { ...guess, fits: fits(guess), from: "file", notes };
  }
  const [guess] = guessArchitecture(shapes);
  // Nothing in common is no nearness.
  return guess === undefined || guess.unexpected.length === shapes.size
    ? undefined
    : { ...guess, fits: fits(guess), from: "names", notes };
}

/** In as many digits as float32 has, which are those it was written with. */
function numbers({ data, shape, dtype }: RawTensor): number[] {
  const values = scope(() => ops.reshape(ops.to(fromBytes(data, shape, dtype), "float32"), [-1]).toNumbers());
  return values.map((value) => Number(value.toPrecision(7)));
}

function normalisationOf(
  checkpoint: ForeignCheckpoint,
  network: InspectedNetwork | undefined,
  named: NamedNetwork | undefined,
): Inspection["normalisation"] {
  const { state, layout, prefix } = checkpoint;
  const option = named?.normalize as Normalisation | undefined;
  if (option !== undefined) return { source: "file", value: option };
  const { normalize } = equivalentForm(shapesOf(state));
  if (normalize !== undefined) {
    const [mean, std] = [normalize.mean, normalize.std].map((name) => numbers(state.get(name) as RawTensor));
    return { source: "file", value: { mean: mean as number[], std: std as number[] } };
  }
  const name = layout === "s2ap" ? undefined : likelyNormalisation(layout, prefix, network?.arch ?? "");
  return name === undefined ? { source: "none" } : { source: "likely", name };
}

/** Prunable weights with what their masks keep. */
function measuredLayers(checkpoint: ForeignCheckpoint, plan: MaskPlan, options: MaskOptions): InspectedLayer[] {
  const layers = layerZeros(checkpoint.state, options.prunable);
  if (plan.needs !== undefined || plan.source === "none" || plan.source === "zeros") return layers;
  const { masks } = rebuildMasks(checkpoint, options);
  const kept = new Map(Array.from(masks, ([name, mask]) => [name, scope(() => ops.countNonzero(mask).item())]));
  disposeParams(masks);
  return layers.map((layer) => ({ ...layer, kept: kept.get(layer.name) ?? layer.weights }));
}

function countDtypes(state: ForeignCheckpoint["state"]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { dtype } of state.values()) counts[dtype] = (counts[dtype] ?? 0) + 1;
  return counts;
}

function countParameters(state: ForeignCheckpoint["state"]): number {
  let parameters = 0;
  for (const [name, { shape }] of state) {
    if (!/(^|\.)(running_mean|running_var|num_batches_tracked|mean|std)$/.test(name)) parameters += elements(shape);
  }
  return parameters;
}

export interface InspectOptions {
  readonly keepRatio?: number | undefined;
  /** What a file of ours says of its network. */
  readonly named?: NamedNetwork | undefined;
}

export function inspectCheckpoint(checkpoint: ForeignCheckpoint, options: InspectOptions = {}): Inspection {
  const { where, state, scores, rates, masks, ...told } = checkpoint;
  const { keepRatio, named } = options;
  const plan = planMasks(checkpoint, { keepRatio });
  const layers = measuredLayers(checkpoint, plan, { keepRatio });
  const network = networkOf(checkpoint, named);
  const pruned = layers.map((layer) => ({ ...layer, zeros: layer.weights - (layer.kept ?? layer.weights) }));
  return {
    file: where,
    ...told,
    warnings: [...told.warnings, ...plan.warnings],
    network,
    normalisation: normalisationOf(checkpoint, network, named),
    tensors: state.size,
    parameters: countParameters(state),
    dtypes: countDtypes(state),
    layers,
    sparsity: sparsityOf(layers),
    maskedSparsity: layers.some(({ kept }) => kept !== undefined) ? sparsityOf(pruned) : undefined,
    masks: { ...plan, scores: scores.size, rates: rates.size, masks: masks.size },
  };
}
