export { erkRatios, exactCounts, uniformRatios } from "./budgets.js";
export { erk } from "./erk.js";
export { harp } from "./harp.js";
export { hydra } from "./hydra.js";
export { keptCount } from "./kept-count.js";
export { lamp, lampRatios } from "./lamp.js";
export { magnitude } from "./magnitude.js";
export {
  applyMasks,
  deadFilters,
  type MaskDistance,
  type Masks,
  maskDistance,
  measureSparsity,
  type Sparsity,
  swapFraction,
} from "./mask.js";
export {
  type Arrived,
  type DenseGradientOptions,
  type DenseGradients,
  type Method,
  type MethodState,
  type Penalty,
  type Pulled,
  type SearchEpoch,
  trainedKey,
} from "./method.js";
export { packMasks, unpackMasks } from "./pack-masks.js";
export type { PackedMask, PackedMasks } from "./packed-mask.js";
export { randomPruning } from "./random.js";
export { methods } from "./registry.js";
export { rst } from "./rst.js";
export { type ScoreGaps, scoreGaps } from "./score-gap.js";
export { initialScores, type ScoreInit } from "./score-init.js";
export { keepLargest } from "./select.js";
export { snip } from "./snip.js";
export { type Grouping, type Layout, layoutOf, type StructureName } from "./structure.js";
