import type { RawTensor } from "../../nn/index.js";
import { DataError, expected, show } from "../../util/index.js";

/**
 * Scores in as many dimensions as their weights: one for each entry, or for each group of entries, with 1 where a dimension
 * falls together (HARP's input channels [1,in,1,1]). RST has no such dimensions at the end (filters [out], kernels [out,in],
 * rows [out,in,kh]): they are added.
 */
export function scoresFor(
  where: string,
  state: ReadonlyMap<string, RawTensor>,
  scores: ReadonlyMap<string, RawTensor>,
): Map<string, RawTensor> {
  return new Map(
    Array.from(scores, ([name, score]) => {
      const weight = state.get(name)?.shape;
      const shape = weight === undefined ? score.shape : weight.map((_, i) => score.shape[i] ?? 1);
      const fits =
        weight !== undefined &&
        score.shape.length <= weight.length &&
        shape.every((side, i) => side === 1 || side === weight[i]);
      if (fits) return [name, { ...score, shape }];
      const what = `scores of ${show(name)} [${weight ?? "no such weight"}], or one for each group of its entries`;
      throw new DataError(expected(where, what, `[${score.shape}]`), { code: "data/layout" });
    }),
  );
}

/** What the entries under one score are. */
export type Granularity = "weights" | "channels" | "filters" | "groups";

export function granularityOf(score: readonly number[], weight: readonly number[]): Granularity {
  if (score.every((side, i) => side === weight[i])) return "weights";
  const ones = (from: number) => score.slice(from).every((side) => side === 1);
  if (score[0] === 1 && ones(2)) return "channels";
  return ones(1) ? "filters" : "groups";
}
