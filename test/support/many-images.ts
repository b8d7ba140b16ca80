import type { Split } from "../../src/data/index.js";
import { ops, scope, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { splitOf } from "./oracle-split.js";
import { tinyData } from "./tiny.js";

/** 300 images in three blocks: the training images again and again, with other noise and paler, so that some are easy to break. */
export function manyImages(): Split {
  const { train } = tinyData();
  return scope(() => {
    const { images, labels } = train.dataset;
    const times = Math.ceil(300 / train.length);
    const at = tensor(
      BigInt64Array.from([...train.indices].flatMap((i) => Array(times).fill(i)).slice(0, 300), BigInt),
    );
    const picked = ops.indexSelect(images, 0, at);
    const values = picked.toArray() as Uint8Array;
    for (let i = 0; i < values.length; i++) {
      const share = 0.1 + ((Math.floor(i / 192) * 7) % 60) / 60;
      const moved = 128 + share * ((values[i] as number) - 128) + Math.floor(60 * rng(0, "pixel", i).uniform()) - 30;
      values[i] = Math.max(0, Math.min(255, moved));
    }
    const noisy = tensor(values, picked.shape);
    return splitOf("tiny", noisy, ops.indexSelect(labels, 0, at), 4);
  });
}
