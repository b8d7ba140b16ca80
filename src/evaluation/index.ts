export { type AutoAttackOptions, attackList, autoAttack } from "./auto-attack.js";
export {
  type Card,
  type ClassAccuracy,
  cardMarkdown,
  makeCard,
  maskHash,
  networkName,
  type Provenance,
  provenance,
  writeCard,
} from "./card.js";
export { maskApplied } from "./checks.js";
export { cleanImageHashes } from "./clean-images.js";
export {
  type Agreement,
  type Comparison,
  compareRecords,
  type Described,
  type McNemar,
  mcnemar,
  mcnemarExact,
} from "./compare.js";
export { type Description, weightsHash } from "./description.js";
export {
  type DistanceFile,
  type DistanceKey,
  type Distances,
  distancesOf,
  emptyDistances,
  knownDistances,
  loadDistances,
  saveDistances,
  trialsOf,
  withMore,
  withTrial,
} from "./distances.js";
export { type EvaluateOptions, evaluate, type Measured } from "./evaluate.js";
export { fastVictim } from "./fast-victim.js";
export { describedIndices, mergeRecord } from "./finish.js";
export { type FmnOptionSearch, type FmnTrialMade, fmnOptionsOn } from "./fmn-option-search.js";
export {
  CLAIM_NORM,
  type ClaimOptions,
  type Paper,
  pruningBenchmarkClaim,
  type RobustBenchEntry,
  robustBenchDraft,
  robustBenchEntry,
} from "./formats.js";
export { type AttackedImages, attackedImages } from "./images.js";
export {
  type AttackListOptions,
  BLOCK,
  type ListProgress,
  type NamedAttack,
  type RecordOptions,
  type WarmStart,
} from "./list.js";
export { hasNearest, saveNearest, verifyDistances } from "./nearest.js";
export {
  type AttackSpec,
  buildAttack,
  buildAttacks,
  type Preset,
  type PresetName,
  preset,
  presets,
} from "./presets.js";
export { findDescription } from "./record.js";
export type { AttackOutcome, Check, ImageRecord, Robustness } from "./robustness.js";
export {
  type CurvePoint,
  curveAt,
  type MinimumNormOptions,
  type MinimumNorms,
  minimumNorms,
  type Nearest,
  type SecurityCurve,
  securityCurve,
} from "./security-curve.js";
export * from "./sharpness/index.js";
export { evaluationMode, faithfulSpecs } from "./speed.js";
export * from "./stability/index.js";
export { timeLeft } from "./time-left.js";
export { parseUntil } from "./until.js";
export { loadAdversarial, readImages, type Verification, verifyRecord } from "./verify.js";
