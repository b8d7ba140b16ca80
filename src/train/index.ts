export { awpWeights } from "./awp.js";
export { grouped, loadGroups } from "./checkpoint.js";
export { type Distillation, distillOptions } from "./distill.js";
export { type EmaOptions, emaOptions } from "./ema.js";
export { type FinetuneOptions, finetune } from "./finetune.js";
export type { KeepEpochs } from "./kept-epochs.js";
export { keptMasks, loadKeptMasks } from "./kept-masks.js";
export { type KeptScores, keptEpochs, loadScores } from "./kept-scores.js";
export { assertFits, checkMemory, estimateMemory, type MemoryEstimate, type MemoryNeeds } from "./memory.js";
export { type ObjectiveOptions, searchObjective } from "./objective.js";
export {
  type History,
  type StageOptions,
  type StageProgress,
  StoppedError,
  type WeightStageOptions,
} from "./options.js";
export { pretrain } from "./pretrain.js";
export { alarmOf, type OverfittingAlarm } from "./probe.js";
export { rewind } from "./result.js";
export { asamWeights, samWeights } from "./sam.js";
export { type Searched, type SearchOptions, search } from "./search.js";
export { plainWeights, type WeightGradient, type WeightObjective } from "./weight-gradient.js";
export { weightGradients } from "./weight-gradients.js";
