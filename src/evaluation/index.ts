export { type EvaluateOptions, evaluate, type Measured } from "./evaluate.js";
export { type AttackedImages, attackedImages } from "./images.js";
