// A plugin: an attack of one's own, by name, without a fork. `s2ap run RECIPE --plugin examples/plugin.js`.
// Momentum iterative FGSM (Dong et al., CVPR 2018, arXiv 1710.06081): g <- decay g + grad / mean|grad|; x <- x + step sign(g).
import { attack, crossEntropy, inputGradient, ops, projector, scope, steepest } from "s2ap";

function miFgsm(threat, { steps, decay }) {
  return attack("mi-fgsm", threat, (victim, x, y, { objective = crossEntropy, poll }) => {
    const project = projector(threat, x);
    let [point, velocity] = [x, ops.zerosLike(x)];
    for (let step = 0; step < steps; step++) {
      poll?.(); // lets Ctrl-C in
      [point, velocity] = scope(() => {
        const { gradient } = inputGradient(victim, point, y, objective);
        const size = ops.meanDim(ops.abs(gradient), [1, 2, 3], { keepdim: true });
        const g = ops.add(ops.mul(velocity, { float: decay }), ops.div(gradient, ops.add(size, 1e-12)));
        return [project(ops.add(point, steepest(threat, g), { alpha: { float: threat.eps / steps } })), g];
      });
    }
    return point; // `attack` projects it once more, whatever it is
  });
}

export default function plugin({ registries, z }) {
  registries.attacks.register("mi-fgsm", {
    summary: "momentum iterative FGSM (Dong et al. 2018)",
    options: z.strictObject({
      steps: z.int().min(1).default(10).describe("gradient steps of eps / steps; default 10"),
      decay: z.number().min(0).default(1).describe("share of the old direction; default 1"),
    }),
    create: (options, { threat }) => miFgsm(threat, options),
  });
}
