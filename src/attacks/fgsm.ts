import { ops } from "../torch/index.js";
import { type Attack, attack, inputGradient } from "./attack.js";
import { crossEntropy } from "./objectives.js";
import { steepest } from "./project.js";
import type { Threat } from "./threat.js";

/**
 * Fast gradient sign method, one step of length eps from x: x + eps sign(grad), in L2 x + eps grad / ||grad||
 * (Goodfellow, Shlens, Szegedy, ICLR 2015, arXiv 1412.6572).
 */
export function fgsm(threat: Threat): Attack {
  return attack("fgsm", threat, (victim, x, y, { objective = crossEntropy }) => {
    const { gradient } = inputGradient(victim, x, y, objective);
    return ops.add(x, steepest(threat, gradient), { alpha: { float: threat.eps } });
  });
}
