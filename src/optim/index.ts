export { constant, cosine, oneCycle, type Progress, type Schedule, schedules, step, warmUp } from "./schedule.js";
export { type Optimizer, type OptimizerContext, type OptimizerState, optimizers, sgd, sgdOptions } from "./sgd.js";
