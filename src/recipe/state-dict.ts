// A network's tensors for other programs: as a state_dict that plain PyTorch loads strictly, masks multiplied in.
import type { Model } from "../models/index.js";
import { encodePt, type RawTensor } from "../nn/index.js";
import { toBytes } from "../torch/index.js";
import { writeFileAtomic } from "../util/index.js";

/** Writes parameters and buffers by their PyTorch names as `torch.save` does; `torch.load(path, weights_only=True)` reads it. */
export function saveStateDict(path: string, { params, buffers }: Pick<Model, "params" | "buffers">): void {
  const tensors = Array.from([...params, ...buffers], ([name, tensor]): [string, RawTensor] => {
    return [name, { dtype: tensor.dtype, shape: tensor.shape, data: toBytes(tensor) }];
  });
  writeFileAtomic(path, encodePt(new Map(tensors)));
}
