import { z } from "zod";
import { entry, parseOptions, registry } from "../util/index.js";

/** Where a stage is: `step` of `steps` (optimiser steps), `epoch` of `epochs`, all counted from 0. */
export interface Progress {
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly epochs: number;
}

/** A learning rate as a function of the step fraction, in [0, 1] of the peak. */
export interface Schedule {
  readonly name: string;
  factor(progress: Progress): number;
}

const warmUpField = z
  .number()
  .min(0)
  .lt(1)
  .default(0)
  .describe("fraction of the stage that climbs linearly to the peak first; default 0");

export const constantOptions = z.strictObject({ warmUp: warmUpField });

/** Always the peak. */
export function constant(options: z.input<typeof constantOptions> = {}): Schedule {
  const parsed = parseOptions("constant", constantOptions, options);
  return warmUp({ name: "constant", factor: () => 1 }, parsed.warmUp);
}

export const cosineOptions = z.strictObject({
  warmUp: warmUpField,
  parity: z
    .enum(["none", "epoch-minus-one"])
    .default("none")
    .describe("`epoch-minus-one`: HYDRA's and HARP's form, fixed in an epoch e at (1 + cos(pi (e-1)/E))/2"),
});

/** From the peak to zero along half a cosine (Loshchilov and Hutter 2017, arXiv 1608.03983), without restarts. */
export function cosine(options: z.input<typeof cosineOptions> = {}): Schedule {
  const parsed = parseOptions("cosine", cosineOptions, options);
  const half = (fraction: number) => (1 + Math.cos(Math.PI * fraction)) / 2;
  const factor: Schedule["factor"] = ({ step, steps, epoch, epochs }) =>
    half(parsed.parity === "none" ? step / steps : (epoch - 1) / epochs);
  return warmUp({ name: "cosine", factor }, parsed.warmUp);
}

export const stepOptions = z.strictObject({
  warmUp: warmUpField,
  at: z.array(z.number().min(0).max(1)).default([0.75, 0.9]).describe("fractions of the stage at which the rate drops"),
  factor: z.number().gt(0).max(1).default(0.1).describe("what each drop multiplies it by"),
});

/** Drops by `factor` at given fractions of the stage. */
export function step(options: z.input<typeof stepOptions> = {}): Schedule {
  const parsed = parseOptions("step", stepOptions, options);
  const drops = (fraction: number) => parsed.at.filter((at) => fraction >= at).length;
  const factor: Schedule["factor"] = (progress) => parsed.factor ** drops(progress.step / progress.steps);
  return warmUp({ name: "step", factor }, parsed.warmUp);
}

export const oneCycleOptions = z.strictObject({
  peakAt: z.number().gt(0).lt(1).default(0.3).describe("fraction of the stage at which the peak is reached"),
  start: z.number().min(0).max(1).default(0.04).describe("first rate, as a fraction of the peak"),
  end: z.number().min(0).max(1).default(0).describe("last rate, as a fraction of the peak"),
});

/** Up to the peak and down again, linearly (Smith and Topin 2018, arXiv 1708.07120). */
export function oneCycle(options: z.input<typeof oneCycleOptions> = {}): Schedule {
  const { peakAt, start, end } = parseOptions("one-cycle", oneCycleOptions, options);
  return {
    name: "one-cycle",
    factor(progress) {
      const fraction = progress.step / progress.steps;
      if (fraction < peakAt) return start + ((1 - start) * fraction) / peakAt;
      return end + ((1 - end) * (1 - fraction)) / (1 - peakAt);
    },
  };
}

/** Climbs linearly to the peak over the first `fraction` of the stage, then follows `after` over the rest. */
export function warmUp(after: Schedule, fraction: number): Schedule {
  if (fraction === 0) return after;
  return {
    name: `warm-up+${after.name}`,
    factor(progress) {
      const climb = fraction * progress.steps;
      if (progress.step < climb) return (progress.step + 1) / (Math.ceil(climb) + 1);
      return after.factor({ ...progress, step: progress.step - climb, steps: progress.steps - climb });
    },
  };
}

export const schedules = registry("schedule", {
  constant: entry({ summary: "the same rate throughout", options: constantOptions, create: constant }),
  cosine: entry({ summary: "half a cosine, peak to zero", options: cosineOptions, create: cosine }),
  step: entry({ summary: "drops at fractions of the stage", options: stepOptions, create: step }),
  "one-cycle": entry({ summary: "linearly up to the peak and down again", options: oneCycleOptions, create: oneCycle }),
});
