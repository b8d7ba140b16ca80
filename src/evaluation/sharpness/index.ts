export { averageRise, type WorstInBall, worstInBall } from "./ball-loss.js";
export { DIRECTIONS, type Direction, directionOf } from "./directions.js";
export { type Hessian, type HessianOptions, hessian, type LossTerm, PRODUCTS, type Products } from "./hessian.js";
export { type Crafter, crafterOf, fixedImages } from "./images.js";
export { type Eigenpairs, type LanczosOptions, lanczos } from "./lanczos.js";
export {
  coordinates,
  type LandscapeAxis,
  type LandscapeRecord,
  type LandscapeSettings,
  landscape,
  readLandscape,
  writeLandscape,
} from "./landscape.js";
export { measureSharpness, type SharpnessProgress, type States, stateHash } from "./measure.js";
export { QUANTITIES, type Quantity, type SharpnessOptions, sharpnessOptions } from "./options.js";
export type { Eigenvalues, Measurements } from "./quantities.js";
export {
  readSharpness,
  type SharpnessEpoch,
  type SharpnessRecord,
  type SharpnessSettings,
  writeSharpness,
} from "./record.js";
export { type FixedImages, type ScoreLoss, type ScorePoint, scoreLoss } from "./score-loss.js";
export { type Flip, flip, type Ties, ties } from "./ties.js";
export { type Estimate, hutchinson } from "./trace.js";
