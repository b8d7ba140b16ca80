// Training for randomised smoothing by stability (Li, Chen, Wang, Carin, "Certified Adversarial Robustness with Additive
// Noise", NeurIPS 2019, arXiv 1809.03113), in the form that HYDRA uses (Sehwag et al., NeurIPS 2020, arXiv 2002.10509):
//   minimise mean CE(f(x), y) + beta mean KL(f(x) || f(x + sigma N(0,1)))
// or, as for ImageNet, cross-entropy on the noisy images alone (Cohen, Rosenfeld, Kolter, ICML 2019, arXiv 1902.02918):
//   minimise mean CE(f(x + sigma N(0,1)), y).
// The noise is in pixel scale, before any normalisation that the network does itself, and is not clipped: what is certified
// is the prediction under Gaussian noise. The gradient flows through both arguments of the KL term.
import { z } from "zod";
import { noise, type Threat } from "../attacks/index.js";
import { noGrad, ops, scope } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { beta, meanCrossEntropy, meanKl, type RobustLoss } from "./loss.js";

export const smoothingOptions = z.strictObject({
  sigma: z.number().gt(0).default(0.25).describe("standard deviation of the noise in pixel scale; default 0.25"),
  form: z
    .enum(["stability", "noisy"])
    .default("stability")
    .describe(
      "`stability`: clean cross-entropy plus beta times the divergence; `noisy`: cross-entropy on the noisy images alone, as for ImageNet; default stability",
    ),
  beta: beta(6),
});

/** Statistics move on the clean batch, then on the noisy one; in the form `noisy` on that alone. */
export function smoothing(threat: Threat, options: z.input<typeof smoothingOptions> = {}): RobustLoss {
  const { sigma, form, beta: weight } = parseOptions("smoothing", smoothingOptions, options);
  return {
    name: "smoothing",
    threat,
    softLabels: true,
    craft: (_victim, x, _y, at) =>
      noGrad(() =>
        scope(() =>
          ops.add(
            x,
            noise(x, at, (t) => ops.normal_(t)),
            { alpha: { float: sigma } },
          ),
        ),
      ),
    evaluate(forward, { x, y, xAdv }) {
      if (form === "noisy") {
        const robustLogits = forward(xAdv);
        return { loss: meanCrossEntropy(robustLogits, y), robustLogits };
      }
      const cleanLogits = forward(x);
      const robustLogits = forward(xAdv);
      const robustTerm = ops.mul(meanKl(cleanLogits, robustLogits), { float: weight });
      return { loss: ops.add(meanCrossEntropy(cleanLogits, y), robustTerm), robustLogits };
    },
  };
}
