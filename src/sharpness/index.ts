export { awp } from "./awp.js";
export { adaptiveShift, ascend, globalShift, type Norm, randomDirection, shifted, steepestShift } from "./ball.js";
export type {
  Evaluation,
  Objective,
  PassOptions,
  ScoreGradient,
  SearchStep,
  Statistics,
  StepGradient,
} from "./gradient.js";
export { plain } from "./plain.js";
export { randomPerturbation } from "./random-perturbation.js";
export { gradients } from "./registry.js";
export { s2ap } from "./s2ap.js";
export { asam, sam } from "./sam.js";
