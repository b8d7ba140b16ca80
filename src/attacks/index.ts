export { type Accuracy, type AccuracyOptions, accuracy, predict } from "./accuracy.js";
export { type Attack, attack, inputGradient, type PerturbOptions, type Start, type Victim } from "./attack.js";
export { fgsm } from "./fgsm.js";
export { type AttackObjective, crossEntropy, dlr, dlrTargeted, klFrom, margin } from "./objectives.js";
export { pgd } from "./pgd.js";
export { projector, steepest, unit } from "./project.js";
export { type AttackContext, attacks } from "./registry.js";
export { l2, linf, type Threat, threatOf, threatSchema } from "./threat.js";
