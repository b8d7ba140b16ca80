export { grouped, loadGroups } from "./checkpoint.js";
export { type FinetuneOptions, finetune } from "./finetune.js";
export { assertFits, checkMemory, estimateMemory, type MemoryEstimate, type MemoryNeeds } from "./memory.js";
export { type ObjectiveOptions, searchObjective } from "./objective.js";
export { type History, type StageOptions, type StageProgress, StoppedError } from "./options.js";
export { pretrain } from "./pretrain.js";
export type { OverfittingAlarm } from "./probe.js";
export { rewind } from "./result.js";
export { type Searched, type SearchOptions, search } from "./search.js";
