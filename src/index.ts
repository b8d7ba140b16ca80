// The API in one import; each layer is also a subpath of its own, such as `s2ap/attacks`.
export * from "./attacks/index.js";
export * from "./data/index.js";
export * from "./evaluation/index.js";
export * from "./losses/index.js";
export * from "./models/index.js";
export * from "./nn/index.js";
export * from "./optim/index.js";
export * from "./pruning/index.js";
export {
  type Adopted,
  type AdoptOptions,
  adoptCheckpoint,
  type ForeignCheckpoint,
  type Inspection,
  inspectCheckpoint,
  loadMasks,
  loadModel,
  loadRecipe,
  planMasks,
  type RebuiltMasks,
  type Row,
  readForeign,
  rebuildMasks,
  registries,
  runRecipe,
  saveMasks,
  saveModel,
  saveStateDict,
} from "./recipe/index.js";
export * from "./report/index.js";
export { openRun, type Run, type RunEvent, type RunOptions, readEvents } from "./run/index.js";
export * from "./sharpness/index.js";
export * from "./torch/index.js";
export * from "./train/index.js";
export * from "./util/index.js";
