export { type Accuracy, type AccuracyOptions, accuracy } from "./accuracy.js";
export { apgdCe, apgdDlr, apgdTargeted } from "./apgd.js";
export type { ApgdLoss, ApgdSearchOptions } from "./apgd-loss.js";
export { checkpoints, radiusPhases } from "./apgd-schedule.js";
export { apgdSearch } from "./apgd-search.js";
export { type Attack, attack, inputGradient, noise, type PerturbOptions, type Start, type Victim } from "./attack.js";
export { type FabSearchOptions, type FabState, fabSearch } from "./fab.js";
export { fab, fabT } from "./fab-attacks.js";
export { fgsm } from "./fgsm.js";
export { type FmnOptions, type FmnState, fmn, fmnSearch } from "./fmn.js";
export { type FmnSearchOptions, type FmnTrial, searchFmnOptions } from "./fmn-search.js";
export { l1Project } from "./l1-projection.js";
export {
  type AttackObjective,
  crossEntropy,
  dlr,
  dlrTargeted,
  isConstantTarget,
  klFrom,
  margin,
} from "./objectives.js";
export { pgd } from "./pgd.js";
export { changeNorm, l2Norm, projector, steepest, unit } from "./project.js";
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
export { type SquareState, square, squareSearch } from "./square.js";
export type { SquareDraws } from "./square-draws.js";
export { l1, l2, linf, type Threat, type ThreatNorm, threatOf, threatSchema } from "./threat.js";
export { breaks, judged, predict, reach, type Verdicts } from "./verify.js";
