import { type Split, split } from "../../src/data/index.js";
import { type Tensor, toBytes } from "../../src/torch/index.js";
import { sha256 } from "../../src/util/index.js";
import { first, get, type OracleFolder } from "./oracles.js";

/** The images of a reference folder as a split, the first of them. */
export function oracleSplit(folder: OracleFolder, images = Number.POSITIVE_INFINITY): Split {
  const inputs = folder.tensors("inputs.safetensors");
  return splitOf(folder.name, first(get(inputs, "images"), images), first(get(inputs, "labels"), images));
}

/** A split of all these images uint8 [N,C,H,W] and labels int64 [N]. */
export function splitOf(name: string, images: Tensor, labels: Tensor, classes = 10): Split {
  const length = images.shape[0] as number;
  const dataset = {
    ...{ name, images, labels, length, numClasses: classes },
    classNames: Array.from({ length: classes }, (_, i) => String(i)),
    source: { kind: "folder", location: name, sha256: sha256([toBytes(images), toBytes(labels)]) },
  };
  return split(
    dataset,
    Int32Array.from({ length }, (_, i) => i),
  );
}
