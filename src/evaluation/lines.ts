// What a record's journal holds: one line per finished unit of work. A result is a function of these lines alone, so a
// run in one process, in several, or resumed has the same one.
import { z } from "zod";

const passes = z.tuple([z.int(), z.int()]);
const where = z.strictObject({
  offset: z.int(),
  length: z.int(),
  sha256: z.string(),
});

const cleanLine = z.strictObject({
  kind: z.literal("clean"),
  block: z.int(),
  labels: z.array(z.int()),
  predictions: z.array(z.int()),
  passes,
  seconds: z.number(),
});

const unitLine = z.strictObject({
  kind: z.literal("unit"),
  attack: z.string(),
  run: z.string(),
  block: z.int(),
  /** Which batch of the block's standing images. */
  part: z.int(),
  /** The last batch of this unit: the block is done with this run. */
  last: z.boolean(),
  tried: z.int(),
  broken: z.array(
    z.strictObject({
      /** Position among the evaluated images. */
      at: z.int(),
      step: z.int().nullable(),
      norm: z.number(),
      /** Class predicted for the adversarial image. */
      class: z.int(),
    }),
  ),
  /** Where the points of the broken images lie, in their order. */
  points: where.nullable(),
  /** Positions of images whose gradient was all zero at the start. */
  zeroGradient: z.array(z.int()),
  /** Positions of images whose misclassified point lies outside ball or box; not in records of earlier versions. */
  outside: z.array(z.int()).optional(),
  passes,
  seconds: z.number(),
});

const check = z.strictObject({
  code: z.string(),
  severity: z.enum(["warning", "note"]),
  message: z.string(),
  values: z.record(z.string(), z.union([z.number(), z.string(), z.array(z.number()).readonly()])),
});

const checksLine = z.strictObject({ kind: z.literal("checks"), checks: z.array(check), passes });

export const lineSchema = z.discriminatedUnion("kind", [cleanLine, unitLine, checksLine]);
export type Line = z.output<typeof lineSchema>;
export type CleanLine = z.output<typeof cleanLine>;
export type UnitLine = z.output<typeof unitLine>;

/** Names one run of one attack on one block. */
export const unitKey = (attack: string, run: string, block: number): string => JSON.stringify([attack, run, block]);

/** The attack name under which a parent's adversarial examples are tried. */
export const WARM_START = "warm-start";
