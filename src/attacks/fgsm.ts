import { ops } from "../torch/index.js";
import { type Attack, attack, inputGradient, startPoint } from "./attack.js";
import { crossEntropy } from "./objectives.js";
import { hasSteepest, steepest } from "./project.js";
import type { Threat } from "./threat.js";

/**
 * Fast gradient sign method, one step of length eps from where it starts: x + eps sign(grad), in L2
 * x + eps grad / ||grad||. It starts at x unless the caller says otherwise, as TRADES does
 * (Goodfellow, Shlens, Szegedy, ICLR 2015, arXiv 1412.6572).
 */
export function fgsm(threat: Threat): Attack {
  hasSteepest("fgsm", threat);
  return attack("fgsm", threat, (victim, x, y, options) => {
    const { objective = crossEntropy, start = "none" } = options;
    const begin = startPoint(threat, start, x, options);
    const { gradient } = inputGradient(victim, begin, y, objective);
    return ops.add(begin, steepest(threat, gradient), { alpha: { float: threat.eps } });
  });
}
