// Networks of other code that are the same function as one of ours in another notation. Read from names and shapes:
//   a batch norm without weight and bias        is one with weight 1 and bias 0;
//   a last 1 x 1 convolution [K,C,1,1] `fc`     is a linear layer [K,C], with bias 0 where it has none;
//   `fc` behind blocks that have a `shortcut`   is `linear` (RST's cResNet18 beside HYDRA's and HARP's ResNet18);
//   buffers `mean` and `std` of each channel    are the model's option `normalize` (FlyingBird).

export type Shapes = ReadonlyMap<string, readonly number[]>;

/** The names and shapes of a network in our notation, and where each tensor comes from. */
export interface Equivalent {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Our name of each tensor that a file calls otherwise -> the file's name. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Tensors that a file does not have, by the one value that all their entries have. */
  readonly constants: ReadonlyMap<string, 0 | 1>;
  /** The file's names of its buffers of normalisation. */
  readonly normalize: { readonly mean: string; readonly std: string } | undefined;
  /** What was read otherwise, for people. */
  readonly notes: readonly string[];
}

const elements = (shape: readonly number[] | undefined) => (shape ?? []).reduce((a, b) => a * b, 1);

/** `mean` and `std` of 1 to 4 channels, at the top or in a module of their own, beside no running statistics. */
function normalisation(shapes: Shapes): Equivalent["normalize"] {
  for (const [mean, shape] of shapes) {
    if (!/(^|\.)mean$/.test(mean)) continue;
    const std = mean.replace(/mean$/, "std");
    const channels = elements(shape);
    if (elements(shapes.get(std)) === channels && shapes.has(std) && channels >= 1 && channels <= 4)
      return { mean, std };
  }
  return undefined;
}

/** Reads the notation of other code; what is in ours already comes back as it is. */
export function equivalentForm(given: Shapes): Equivalent {
  const shapes = new Map(given);
  const renamed = new Map<string, string>();
  const constants = new Map<string, 0 | 1>();
  const notes: string[] = [];

  const normalize = normalisation(given);
  if (normalize !== undefined) {
    shapes.delete(normalize.mean);
    shapes.delete(normalize.std);
    notes.push(`${normalize.mean} and ${normalize.std} become the model's option normalize`);
  }

  const bare = [...given].flatMap(([name, shape]) => {
    const norm = name.replace(/\.running_mean$/, "");
    return norm === name || given.has(`${norm}.weight`) || given.has(`${norm}.bias`) ? [] : [{ norm, shape }];
  });
  for (const { norm, shape } of bare) {
    for (const [entry, value] of [
      ["weight", 1],
      ["bias", 0],
    ] as const) {
      shapes.set(`${norm}.${entry}`, shape);
      constants.set(`${norm}.${entry}`, value);
    }
  }
  if (bare.length > 0) notes.push(`${bare.length} batch norms without weight and bias get weight 1 and bias 0`);

  const head = given.get("fc.weight");
  const isConvolution = head?.length === 4 && head[2] === 1 && head[3] === 1;
  const asLinear = [...given.keys()].some((name) => name.includes(".shortcut.")) && !given.has("linear.weight");
  if (head !== undefined && (isConvolution || asLinear)) {
    const name = asLinear ? "linear" : "fc";
    const move = (entry: string, shape: readonly number[]) => {
      shapes.delete(`fc.${entry}`);
      shapes.set(`${name}.${entry}`, shape);
      if (asLinear) renamed.set(`${name}.${entry}`, `fc.${entry}`);
    };
    move("weight", head.slice(0, 2));
    const bias = given.get("fc.bias");
    if (bias !== undefined) move("bias", bias);
    else if (isConvolution) {
      shapes.set(`${name}.bias`, head.slice(0, 1));
      constants.set(`${name}.bias`, 0);
    }
    const was = isConvolution ? `fc, a 1 x 1 convolution${bias === undefined ? " without bias" : ""},` : "fc";
    notes.push(`${was} becomes the linear layer ${name}${isConvolution && bias === undefined ? " with bias 0" : ""}`);
  }
  return { shapes, renamed, constants, normalize, notes };
}
