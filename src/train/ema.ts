// An exponential moving average of the weights (Polyak, Juditsky, SIAM J. Control Optim. 1992; in adversarial training: Gowal, Qin,
// Uesato, Mann, Kohli, "Uncovering the Limits of Adversarial Training", arXiv 2010.03593, section 4.6):
//   a <- d a + (1 - d) w after step t = 0, 1, ...,  d = min(decay, (1 + t) / (10 + t)),
// a being w at the stage's start. The first d are small (a common rule; `warmup: false` leaves it out), so that a short stage
// is not held back by where it began. Batch norm's running means and variances are averaged by the same rule, since those
// of w do not belong to the network a; counters are copied. What the stage measures, chooses by and passes on is a; the
// optimiser goes on with w. Pruned weights are zero in both, as masks are applied to either.
import { z } from "zod";
import { type Params, param } from "../nn/index.js";
import { noGrad, ops, scope } from "../torch/index.js";

export const emaOptions = z.strictObject({
  decay: z
    .number()
    .min(0)
    .lt(1)
    .default(0.999)
    .describe("share of the average that a step leaves as it is; default 0.999"),
  warmup: z
    .boolean()
    .default(true)
    .describe("shorter memory at first, (1 + t) / (10 + t) at step t where that is less; default true"),
});
export type EmaOptions = z.input<typeof emaOptions>;

/** Moves the averages [by name] towards what is trained, in place; `step` is 0-based. */
export function follow(
  averages: Params,
  now: Params,
  { decay = 0.999, warmup = true }: EmaOptions,
  step: number,
): void {
  const keeps = warmup ? Math.min(decay, (1 + step) / (10 + step)) : decay;
  noGrad(() =>
    scope(() => {
      for (const [name, average] of averages) {
        const target = param(now, name);
        if (average.dtype.startsWith("float")) ops.lerp_(average, target, { float: 1 - keeps });
        else ops.copy_(average, target);
      }
    }),
  );
}
