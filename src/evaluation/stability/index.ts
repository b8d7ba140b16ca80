export { type Churn, type MaskSeries, type MaskStability, maskSeries, maskStability, type Overlap } from "./masks.js";
export { type LayerPoint, type SeriesPoint, searchSeries } from "./series.js";
