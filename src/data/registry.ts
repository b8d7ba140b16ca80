import { type AnyEntry, entry, registry } from "../util/index.js";
import { cifar10, cifarOptions } from "./cifar.js";
import type { Splits } from "./dataset.js";
import { extraOptions, mixedSplits } from "./extra.js";
import type { OnProgress } from "./fetch.js";
import { synthetic, syntheticOptions } from "./synthetic.js";

/** What a data set is loaded with besides its options. */
export interface DataContext {
  /** Told of downloads. */
  readonly onProgress?: OnProgress | undefined;
}

/** What can be added to any data set. */
const added = {
  extra: extraOptions.optional().describe("further training images, a share of each batch; default none"),
};

export const datasets = registry<AnyEntry<DataContext, Promise<Splits>>>("data set", {
  cifar10: entry({
    summary: "CIFAR-10 (Krizhevsky 2009): 50,000 + 10,000 colour images of 32 x 32 in 10 classes",
    options: cifarOptions.extend(added),
    create: async ({ extra, ...options }, { onProgress }: DataContext) =>
      mixedSplits(await cifar10({ ...options, onProgress }), extra, onProgress),
  }),
  synthetic: entry({
    summary: "generated smooth patterns with noise, learnt in seconds; nothing is downloaded",
    options: syntheticOptions.extend(added),
    create: ({ extra, ...options }, { onProgress }: DataContext) => mixedSplits(synthetic(options), extra, onProgress),
  }),
});
