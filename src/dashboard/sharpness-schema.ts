import { z } from "zod";

// A measurement that gave no number is null in the record.
const number = z.number().nullable();
const rise = z.object({ total: z.object({ rise: number }) });
const estimate = z.object({ total: z.object({ value: number, standardError: number }) });

/** The parts of a record of `s2ap sharpness` that the page shows; each quantity may be left out, or not measured yet. */
export const sharpnessSchema = z.object({
  settings: z.object({
    images: z.number(),
    split: z.string(),
    attack: z.string(),
    norm: z.string(),
    eps: z.string(),
  }),
  epochs: z.array(
    z.object({
      epoch: z.number(),
      objectiveLoss: number,
      eigenvalues: z.object({ values: z.array(number), bounds: z.array(number) }).optional(),
      trace: estimate.optional(),
      worst: rise.optional(),
      average: estimate.optional(),
      flip: rise.nullish(),
    }),
  ),
});

export type SharpnessShown = z.infer<typeof sharpnessSchema>;
