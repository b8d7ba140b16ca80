export type { CraftedBatch, LossValue, RobustLoss, TrainingForward } from "./loss.js";
export { meanCrossEntropy } from "./loss.js";
export { pgdAt } from "./pgd-at.js";
export { type LossContext, losses } from "./registry.js";
export { trades } from "./trades.js";
