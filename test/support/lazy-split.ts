import type { Split } from "../../src/data/index.js";

/** The same split as a data set would give it that holds no image in memory: what asks for the resident tensor fails. */
export function lazySplit(split: Split): Split {
  const dataset = {
    ...split.dataset,
    get images(): never {
      throw new Error("images were asked for that are not in memory");
    },
  };
  return { ...split, dataset };
}
