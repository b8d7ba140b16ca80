import { keep, tensor } from "../torch/index.js";
import type { DataSource, ResidentDataset } from "./dataset.js";

/** A data set of these bytes, in memory for as long as the process runs; `shape` is that of one image, [C,H,W]. */
export function resident(
  name: string,
  data: { readonly images: Uint8Array; readonly labels: BigInt64Array },
  about: {
    readonly shape: readonly [number, number, number];
    readonly classNames: readonly string[];
    readonly source: DataSource;
  },
): ResidentDataset {
  const { length } = data.labels;
  return {
    name,
    images: keep(tensor(data.images, [length, ...about.shape]), { forever: true }),
    labels: keep(tensor(data.labels), { forever: true }),
    length,
    numClasses: about.classNames.length,
    classNames: about.classNames,
    source: about.source,
  };
}
