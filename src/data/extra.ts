// Extra training images from an .npz file, as published sets of generated CIFAR-10 images are: `image` uint8 [N,H,W,C] and `label`
// whole numbers [N]. Gowal, Rebuffi, Wiles, Stimberg, Calian, Mann, "Improving Robustness using Generated Data", NeurIPS 2021, arXiv
// 2110.09468, mix them into each batch in a fixed share (0.7 of CIFAR-10's); so do we.
import { z } from "zod";
import { keep, ops, scope, tensor } from "../torch/index.js";
import { expected, parseOptions, sha256, UsageError } from "../util/index.js";
import { type ArrayFile, arrayFiles, classCounts, readLabels, readPixels } from "./arrays.js";
import type { Dataset, ResidentDataset, Splits } from "./dataset.js";
import type { OnProgress } from "./fetch.js";
import { imageShape, split } from "./loader.js";
import { bad } from "./npy.js";

export const extraOptions = z.strictObject({
  path: z.string().min(1).describe("an .npz file with `image` uint8 [N,H,W,C] and `label` [N]"),
  ratio: z.number().gt(0).lt(1).default(0.7).describe("share of each batch that is from there; default 0.7"),
});
export type ExtraOptions = z.output<typeof extraOptions>;
const shareOptions = extraOptions.pick({ ratio: true });

function arrayOf(path: string, arrays: ReadonlyMap<string, ArrayFile>, name: string): ArrayFile {
  const found = arrays.get(name);
  if (found) return found;
  throw bad(path, "arrays image and label", [...arrays.keys()].slice(0, 8).join(", ") || "none");
}

/**
 * The labelled images of an .npz file, of the shape and classes of `like`: resident as uint8 [N,C,H,W]. DataError when it is
 * damaged, another kind of file, or its images or labels do not fit.
 */
export async function extraImages(path: string, like: Dataset, onProgress?: OnProgress): Promise<ResidentDataset> {
  const arrays = arrayFiles(path);
  const { numClasses, classNames } = like;
  const labelFile = arrayOf(path, arrays, "label");
  const { labels, hash: labelHash } = await readLabels(labelFile);
  const counts = classCounts(labelFile, labels, numClasses);
  const [channels, height, width] = imageShape(like);
  const imageFile = arrayOf(path, arrays, "image");
  const { pixels, hash } = await readPixels(imageFile, {
    what: "uint8 [N,H,W,C]",
    ranks: [4],
    check([length, ...shape]) {
      if (String(shape) !== String([height, width, channels])) {
        const what = `images [N,H,W,C] that are [${[channels, height, width]}] as [C,H,W]`;
        throw bad(imageFile.where, what, `[${[shape[2], shape[0], shape[1]]}]`);
      }
      if (labels.length !== length) throw bad(labelFile.where, `${length} labels, one an image`, labels.length);
    },
  });
  const { length } = labels;
  onProgress?.(
    `extra: ${length} images of [${channels},${height},${width}] from ${path}; of each class ${counts.join(", ")}`,
  );
  const owned = keep(
    scope(() => ({
      images: ops.permute(pixels, [0, 3, 1, 2]),
      labels: tensor(BigInt64Array.from(labels, BigInt)),
    })),
    { forever: true },
  );
  pixels.dispose();
  const source = { kind: "npz", location: path, sha256: sha256([Buffer.from(hash), Buffer.from(labelHash)]) };
  return { name: `extra ${path}`, ...owned, length, numClasses, classNames, source };
}

/** The same splits with a share of extra images in each training batch; selection and test stay as they are. */
export function withExtra(splits: Splits, extra: Dataset, options: z.input<typeof shareOptions> = {}): Splits {
  const { ratio } = parseOptions("extra", shareOptions, options);
  const { train } = splits;
  // What is decoded comes as bytes.
  const dtypeOf = ({ images }: Dataset) => images?.dtype ?? "uint8";
  if (dtypeOf(train.dataset) !== dtypeOf(extra)) {
    throw new UsageError(expected("extra", `images of dtype ${dtypeOf(train.dataset)}`, dtypeOf(extra)));
  }
  const { source } = train.dataset;
  const dataset: Dataset = {
    ...train.dataset,
    source: {
      kind: source.kind,
      location: `${source.location}, and in each batch a share of ${ratio} from ${extra.source.location}`,
      sha256: sha256([Buffer.from(source.sha256), Buffer.from(extra.source.sha256)]),
    },
  };
  return { ...splits, train: split(dataset, train.indices, { ...train, extra: { dataset: extra, ratio } }) };
}

/** Loads the images that `options` name, tells their sizes, and mixes them in; without options the splits are as they came. */
export async function mixedSplits(
  splits: Splits,
  options: ExtraOptions | undefined,
  onProgress?: OnProgress,
): Promise<Splits> {
  if (options === undefined) return splits;
  const extra = await extraImages(options.path, splits.train.dataset, onProgress);
  const mixed = withExtra(splits, extra, { ratio: options.ratio });
  const { batchSize, steps } = mixed.train;
  const few = Math.min(batchSize - 1, Math.max(1, Math.round(options.ratio * batchSize)));
  onProgress?.(`extra: ${few} of the ${batchSize} images of each batch; ${steps} batches an epoch, as without`);
  return mixed;
}
