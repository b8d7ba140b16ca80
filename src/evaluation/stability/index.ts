export { type Cka, linearCka } from "./cka.js";
export {
  type FunctionalOptions,
  type FunctionalStability,
  functionalStability,
  type RobustSets,
  robustSets,
  type WithInterval,
} from "./functional.js";
export { maskSeries, maskStability } from "./masks.js";
export {
  type Churn,
  churnOf,
  type MaskMatrix,
  type MaskSeries,
  type MaskStability,
  maskMatrix,
  type Overlap,
  overlaps,
} from "./overlap.js";
export { type LayerPoint, type SeriesPoint, searchSeries } from "./series.js";
export { BEFORE_HEAD, disposeView, type NetworkView, networkView, type ViewOptions } from "./view.js";
