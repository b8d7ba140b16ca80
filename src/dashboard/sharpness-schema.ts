import { z } from "zod";

// A measurement that gave no number is null in the record.
const number = z.number().nullable();
/** By the name of the layer's weight; empty where layers were not measured. */
const layers = <T extends z.ZodType>(one: T) => z.record(z.string(), one).optional();
const rise = z.object({ total: z.object({ rise: number }), layers: layers(z.object({ rise: number })) });
const one = z.object({ value: number, standardError: number });
const estimate = z.object({ total: one, layers: layers(one) });
const within = z.array(number);
const ties = z.object({
  deltas: z.array(z.number()),
  within: within.optional(),
  layers: layers(z.object({ within })),
});
const eigenvalue = z.object({ value: number, bound: number });

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
      eigenvalues: z
        .object({ values: z.array(number), bounds: z.array(number), layers: layers(eigenvalue) })
        .optional(),
      trace: estimate.optional(),
      worst: rise.optional(),
      average: estimate.optional(),
      ties: ties.nullish(),
      flip: rise.nullish(),
    }),
  ),
});

export type SharpnessShown = z.infer<typeof sharpnessSchema>;
