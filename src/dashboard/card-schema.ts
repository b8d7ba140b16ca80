import { z } from "zod";

const text = z.string();
const number = z.number();
const interval = z.tuple([number, number]);
const passes = z.object({ forward: number, backward: number });

/** The parts of a record's `card.json` that the page shows; what else stands there is left out. */
export const cardSchema = z.object({
  model: z.object({
    file: text,
    weights: text,
    mask: text,
    arch: text,
    parameters: number,
    sparsity: z.object({ total: number, layers: z.record(text, number) }),
  }),
  data: z.object({ name: text, sha256: text, classNames: z.array(text).optional() }),
  versions: z.record(text, text),
  preset: text,
  norm: text,
  eps: text,
  seed: number,
  examples: number,
  cleanAccuracy: number,
  cleanInterval: interval,
  robustAccuracy: number,
  interval,
  attacks: z.array(
    z.object({
      attack: text,
      tried: number,
      broken: number,
      robustAccuracy: number,
      interval,
      passes,
      seconds: number,
      skipped: z.boolean().optional(),
    }),
  ),
  verdict: z.object({ question: text, answer: z.boolean(), bound: number, early: z.boolean().optional() }).optional(),
  checks: z.array(z.object({ code: text, severity: text, message: text })),
  classes: z.array(z.object({ name: text, examples: number, cleanAccuracy: number, robustAccuracy: number, interval })),
  passes,
  seconds: number,
});
export type CardShown = z.output<typeof cardSchema>;

/** `images.json` of a record: what became of each image; see `ImageRecord` of the evaluation. */
export const imagesSchema = z.array(
  z.object({
    index: z.int().min(0),
    label: z.int(),
    clean: z.int(),
    adversarial: z.int().nullable(),
    brokenBy: text.nullable(),
    run: text,
    step: number.nullable(),
    norm: number.nullable(),
  }),
);
export type ImageShown = z.output<typeof imagesSchema>[number];
