// Masks of MAD (Lee et al., "Masking Adversarial Damage", CVPR 2022): a layer's weight in use is w ⊙ softplus(mask_weight),
// its bias b ⊙ softplus(mask_bias). softplus is 1 for an entry that is kept and 1e-4 for one that is not, which the weights
// themselves show by zeros too. The product becomes the weight; the mask is where it is neither zero nor held at 1e-4.
import type { RawTensor } from "../../nn/index.js";
import { fromBytes, ops, scope, type Tensor, toBytes } from "../../torch/index.js";
import { DataError, expected, show } from "../../util/index.js";

/** Halfway between the floor of 1e-4 and anything that a mask in training takes. */
const FLOOR = 2e-4;

export interface Damaged {
  readonly state: ReadonlyMap<string, RawTensor>;
  /** uint8 0/1. */
  readonly masks: ReadonlyMap<string, RawTensor>;
}

function raw(value: Tensor): RawTensor {
  return { dtype: value.dtype, shape: value.shape, data: toBytes(value) };
}

/** log(1 + e^x), in float64 on the way. */
function softplus(x: Tensor): Tensor {
  return ops.to(ops.log(ops.add(ops.exp(ops.to(x, "float64")), 1)), x.dtype);
}

/** Multiplies the masks into their weights and biases. */
export function applySoftMasks(
  where: string,
  state: ReadonlyMap<string, RawTensor>,
  softMasks: ReadonlyMap<string, RawTensor>,
): Damaged {
  const applied = new Map(state);
  const masks = new Map<string, RawTensor>();
  for (const [name, soft] of softMasks) {
    const weight = state.get(name);
    if (weight === undefined || String(weight.shape) !== String(soft.shape)) {
      const what = `a mask shaped like ${show(name)}${weight ? ` [${weight.shape}]` : ", which is not there"}`;
      throw new DataError(expected(where, what, `[${soft.shape}]`), { code: "data/layout" });
    }
    scope(() => {
      const factor = softplus(fromBytes(soft.data, soft.shape, soft.dtype));
      const product = ops.mul(fromBytes(weight.data, weight.shape, weight.dtype), factor);
      applied.set(name, raw(product));
      const kept = ops.logicalAnd(ops.ne(product, 0), ops.gt(factor, { float: FLOOR }));
      if (name.endsWith("weight")) masks.set(name, raw(ops.to(kept, "uint8")));
    });
  }
  return { state: applied, masks };
}
