// Free adversarial training (Shafahi, Najibi, Ghiasi, Xu, Dickerson, Studer, Davis, Taylor, Goldstein, "Adversarial Training
// for Free!", NeurIPS 2019, arXiv 1904.12843). A noise buffer n of the batch's shape outlives the batch; for each batch, m times:
//   xAdv = clip01(x + n);  one forward and backward pass of mean CE(f(xAdv), y) in train mode, for weights and n at once;
//   a weight step;  n <- clip(n + stepSize sign(dL/dn), -eps, eps),  stepSize = eps.
// dL/dn is zero where clip01 cuts. A short last batch uses and moves the buffer's first rows. Linf only, as the paper has it.
// In a search whose gradient takes several passes, the first pass is the one that the noise follows.
import { z } from "zod";
import type { Threat } from "../attacks/index.js";
import { noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { expected, parseOptions, ratio, ratioField, UsageError } from "../util/index.js";
import { type CraftOptions, labelSmoothing, meanCrossEntropy, type RobustLoss } from "./loss.js";

export const freeAtOptions = z.strictObject({
  replays: z
    .int()
    .min(1)
    .default(4)
    .describe("weight steps on each batch, which take as long as so many epochs; default 4"),
  stepSize: ratioField().optional().describe("how far the noise moves at each step, in pixel scale; default eps"),
  labelSmoothing,
});

const NOISE = "noise";

/** The buffer's rows for a batch x [N,C,H,W]: a view. */
function rowsFor(memory: CraftOptions["memory"], x: Tensor): Tensor {
  const noise = memory?.get(NOISE);
  if (noise === undefined) throw new UsageError(expected("free-at", "the noise of the stage as its memory", memory));
  return ops.slice(noise, { end: x.shape[0] });
}

/** Statistics move once a step, on the adversarial batch: the pass that trains is the one that attacks. */
export function freeAt(threat: Threat, options: z.input<typeof freeAtOptions> = {}): RobustLoss {
  const parsed = parseOptions("free-at", freeAtOptions, options);
  if (threat.norm !== "linf") throw new UsageError(expected("free-at", "a threat in linf", threat.norm));
  const { eps } = threat;
  const stepSize = parsed.stepSize === undefined ? eps : ratio(parsed.stepSize).value;
  return {
    name: "free-at",
    threat,
    softLabels: true,
    singleStep: true,
    replay: {
      count: parsed.replays,
      memory: (shape) => new Map([[NOISE, ops.zeros(shape)]]),
      learn: (memory, { x }, gradient) =>
        noGrad(() =>
          scope(() => {
            const noise = rowsFor(memory, x);
            const sum = ops.add(x, noise);
            const uncut = ops.eq(ops.clamp(sum, { min: 0, max: 1 }), sum);
            const step = ops.mul(ops.mul(ops.sign(gradient), uncut), { float: stepSize });
            ops.clamp_(ops.add_(noise, step), { min: -eps, max: eps });
          }),
        ),
    },
    craft: (_victim, x, _y, { memory }) =>
      noGrad(() => scope(() => ops.clamp(ops.add(x, rowsFor(memory, x)), { min: 0, max: 1 }))),
    evaluate(forward, { y, xAdv }) {
      const robustLogits = forward(xAdv);
      return { loss: meanCrossEntropy(robustLogits, y, parsed.labelSmoothing), robustLogits };
    },
  };
}
