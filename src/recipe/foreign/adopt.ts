// A foreign checkpoint as a network of ours: its architecture checked name by name and shape by shape, its tensors in our
// notation, its masks applied.
import {
  compareWith,
  type Equivalent,
  equivalentForm,
  fits,
  type Guess,
  guessArchitecture,
  type Model,
  withState,
} from "../../models/index.js";
import { disposeParams, type Params, type RawTensor } from "../../nn/index.js";
import { applyMasks, measureSparsity, type Sparsity } from "../../pruning/index.js";
import { fromBytes, keep, ops, scope, type Tensor } from "../../torch/index.js";
import { DataError, expected, UsageError } from "../../util/index.js";
import { buildModel } from "../build.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import { type RebuiltMasks, rebuildMasks } from "./masks.js";
import { MismatchError, networkText, unknownNames } from "./mismatch.js";
import { likelyNormalisation, type Normalisation } from "./normalize.js";

export interface AdoptOptions {
  /** Registry name; default: found by names and shapes. */
  readonly arch?: string | undefined;
  /** Options of the network over those that the shapes tell. */
  readonly set?: Readonly<Record<string, unknown>> | undefined;
  /** What the network does to images first, or `none`; default: what the file holds, else none. */
  readonly normalize?: Normalisation | "none" | undefined;
  /** Share that was kept; where the file has scores and does not say it. */
  readonly keepRatio?: number | undefined;
  /** Take the tensors that fit and leave the others at their random initial values; default: refuse. */
  readonly partial?: boolean | undefined;
}

export interface Adopted {
  /** With its masks applied; the caller frees it. */
  readonly model: Model;
  /** 0/1 for every prunable weight; undefined of a dense network. The caller frees them. */
  readonly masks: Params | undefined;
  readonly mask: Omit<RebuiltMasks, "masks">;
  readonly sparsity: Sparsity;
  readonly guess: Guess;
  /** Names that keep their random initial values: only with `partial`. */
  readonly random: readonly string[];
  /** What was read otherwise than it is written. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

const loaded = ({ data, shape, dtype }: RawTensor) => fromBytes(data, shape, dtype);

function refuseOwn({ where, layout, facts }: ForeignCheckpoint): void {
  if (layout !== "s2ap" || facts.arch === undefined) return;
  throw new UsageError(`${where}: expected a checkpoint of another program, got a network of s2ap: use it as it is`);
}

/** The network asked for, or the nearest by names and shapes. */
function chooseNetwork({ where, state }: ForeignCheckpoint, { arch, set = {}, partial }: AdoptOptions): Guess {
  const shapes = new Map(Array.from(state, ([name, { shape }]) => [name, shape]));
  const told = arch === undefined ? guessArchitecture(shapes)[0] : undefined;
  if (arch === undefined && told === undefined) throw unknownNames(where, [...state.keys()]);
  const asked = arch !== undefined || Object.keys(set).length > 0;
  const guess = asked ? compareWith(arch ?? (told as Guess).arch, shapes, set) : (told as Guess);
  if (fits(guess)) return guess;
  const { unexpected, misshapen } = guess;
  if (partial === true && unexpected.length + misshapen.length < equivalentForm(shapes).shapes.size) return guess;
  throw new MismatchError(where, guess, { asked, nearest: told ?? guessArchitecture(shapes)[0] });
}

/** The normalisation of the file's buffers, in the digits they were written with. */
function inFile({ state }: ForeignCheckpoint, { normalize }: Equivalent): Normalisation | undefined {
  if (normalize === undefined) return undefined;
  const numbers = (name: string) =>
    scope(() => ops.reshape(ops.to(loaded(state.get(name) as RawTensor), "float32"), [-1]).toNumbers()).map((value) =>
      Number(value.toPrecision(7)),
    );
  return { mean: numbers(normalize.mean), std: numbers(normalize.std) };
}

function chooseNormalisation(
  checkpoint: ForeignCheckpoint,
  form: Equivalent,
  { arch }: Guess,
  { normalize }: AdoptOptions,
): { readonly value: Normalisation | undefined; readonly warnings: readonly string[] } {
  const found = inFile(checkpoint, form);
  const value = normalize === "none" ? undefined : (normalize ?? found);
  const warnings: string[] = [];
  if (found !== undefined && normalize !== undefined && JSON.stringify(found) !== JSON.stringify(value)) {
    warnings.push("the file has a normalisation of its own, and --normalize names another: that one is taken");
  }
  const likely = likelyNormalisation(checkpoint.layout, checkpoint.prefix, arch);
  if (value === undefined && normalize === undefined && likely !== undefined) {
    warnings.push(
      `images go in as they are, in [0, 1]: the file holds no normalisation, but networks like this were mostly trained on normalised images; if so, import it with --normalize ${likely} (--normalize none ends this warning)`,
    );
  }
  return { value, warnings };
}

/** Copies what fits into the model, in the model's shapes; the names that were not there. */
function fill(model: Model, { state }: ForeignCheckpoint, form: Equivalent, guess: Guess): string[] {
  const misshapen = new Set(guess.misshapen.map(({ name }) => name));
  const absent: string[] = [];
  for (const [name, own] of [...model.params, ...model.buffers]) {
    const raw = misshapen.has(name) ? undefined : state.get(form.renamed.get(name) ?? name);
    const constant = form.constants.get(name);
    if (raw !== undefined) scope(() => ops.copy_(own, ops.reshape(loaded(raw), own.shape)));
    else if (constant !== undefined && !misshapen.has(name)) ops.fill_(own, constant);
    else if (!name.endsWith(".num_batches_tracked")) absent.push(name);
  }
  return absent;
}

/** Masks by our names in our shapes; ones where a layer has none. */
function ownMasks(model: Model, masks: Params, form: Equivalent, random: ReadonlySet<string>): Map<string, Tensor> {
  return keep(
    scope(
      () =>
        new Map(
          model.prunable.map((name) => {
            const weight = model.params.get(name) as Tensor;
            const mask = random.has(name) ? undefined : masks.get(form.renamed.get(name) ?? name);
            return [name, mask === undefined ? ops.onesLike(weight) : ops.clone(ops.reshape(mask, weight.shape))];
          }),
        ),
    ),
    { forever: true },
  );
}

function applied(model: Model, masks: Params): Model {
  const params = keep(
    scope(() => applyMasks(model.params, masks)),
    { forever: true },
  );
  for (const name of masks.keys()) model.params.get(name)?.dispose();
  return withState(model, { params });
}

function partialWarning(random: readonly string[], { unexpected, misshapen }: Guess, all: number): string[] {
  const left = unexpected.length + misshapen.length;
  if (random.length + left === 0) return [];
  const names = random.slice(0, 8).join(", ");
  const more = random.length > 8 ? ` and ${random.length - 8} more` : "";
  const kept = random.length > 0 ? `: ${names}${more}` : "";
  return [`PARTIAL: ${random.length} of ${all} tensors stay RANDOM${kept}; ${left} of the file's are left out`];
}

/** Heads leave no trace in shapes, and other heads are another function. */
function headsWarning({ options }: Guess, { set = {} }: AdoptOptions): string[] {
  if (options.heads === undefined || set.heads !== undefined) return [];
  return [
    `no shape tells how many heads the attention has: ${options.heads} are taken (64 numbers each, or one head); say it with --set heads=${options.heads}`,
  ];
}

/**
 * Makes a network of a checkpoint. MismatchError where a tensor is missing, unexpected or of another shape, unless
 * `partial`; UsageError for options that it does not take, or a keep ratio that is needed.
 */
export function adoptCheckpoint(checkpoint: ForeignCheckpoint, options: AdoptOptions = {}): Adopted {
  refuseOwn(checkpoint);
  const { state, where } = checkpoint;
  const form = equivalentForm(new Map(Array.from(state, ([name, { shape }]) => [name, shape])));
  const guess = chooseNetwork(checkpoint, options);
  const normalisation = chooseNormalisation(checkpoint, form, guess, options);
  const { masks: rebuilt, ...mask } = rebuildMasks(checkpoint, { keepRatio: options.keepRatio });
  try {
    const { value: normalize } = normalisation;
    const fresh = buildModel({ arch: guess.arch, ...guess.options, ...(normalize && { normalize }) } as never, 0);
    const random = fill(fresh, checkpoint, form, guess);
    if (random.length === fresh.params.size + fresh.buffers.size) {
      throw new DataError(expected(where, `tensors of ${networkText(guess)}`, "none that fits"));
    }
    const masks = rebuilt.size === 0 ? undefined : ownMasks(fresh, rebuilt, form, new Set(random));
    const model = masks === undefined ? fresh : applied(fresh, masks);
    return {
      ...{ model, masks, mask, guess, random, notes: form.notes },
      sparsity: measureSparsity(model.params, model.prunable),
      warnings: [
        ...partialWarning(random, guess, model.params.size + model.buffers.size),
        ...checkpoint.warnings,
        ...mask.warnings,
        ...normalisation.warnings,
        ...headsWarning(guess, options),
      ],
    };
  } finally {
    disposeParams(rebuilt);
  }
}
