export { type Churn, type MaskSeries, type MaskStability, maskSeries, maskStability, type Overlap } from "./masks.js";
