export { type EvaluateOptions, evaluate, type Measured } from "./evaluate.js";
export { fastVictim } from "./fast-victim.js";
export { type AttackedImages, attackedImages } from "./images.js";
