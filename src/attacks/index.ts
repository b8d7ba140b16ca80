export { type Accuracy, type AccuracyOptions, accuracy, predict } from "./accuracy.js";
export { type Attack, attack, inputGradient, type PerturbOptions, type Start, type Victim } from "./attack.js";
export { type FabSearchOptions, type FabState, fabSearch } from "./fab.js";
export { fab, fabT } from "./fab-attacks.js";
export { fgsm } from "./fgsm.js";
export { type AttackObjective, crossEntropy, dlr, dlrTargeted, klFrom, margin } from "./objectives.js";
export { pgd } from "./pgd.js";
export { changeNorm, projector, steepest, unit } from "./project.js";
export { type AttackContext, attacks } from "./registry.js";
export {
  type AttackSearch,
  type AttackSearchOptions,
  runSearch,
  type SearchContext,
  type SearchImages,
  type SearchOutcome,
  type SearchProgress,
  type SearchState,
  selectImages,
} from "./search.js";
export {
  isSearchAttack,
  rankedClasses,
  type SearchAttack,
  type SearchRun,
  searchAttack,
  targeted,
} from "./search-attack.js";
export { l1, l2, linf, type Threat, type ThreatNorm, threatOf, threatSchema } from "./threat.js";
export { breaks, reach } from "./verify.js";
