export { type Cka, linearCka } from "./cka.js";
export {
  type FunctionalOptions,
  type FunctionalStability,
  functionalStability,
  type RobustSets,
  robustSets,
  type WithInterval,
} from "./functional.js";
export { type Churn, type MaskSeries, type MaskStability, maskSeries, maskStability, type Overlap } from "./masks.js";
export { type LayerPoint, type SeriesPoint, searchSeries } from "./series.js";
export { BEFORE_HEAD, disposeView, type NetworkView, networkView, type ViewOptions } from "./view.js";
