// How sharpness is measured, with what is usual.
import { z } from "zod";
import { PRODUCTS } from "./hessian.js";

export const QUANTITIES = ["eigenvalues", "trace", "worst", "average", "ties", "flip"] as const;
export type Quantity = (typeof QUANTITIES)[number];

const count = (value: number, what: string) => z.int().min(1).default(value).describe(`${what}; default ${value}`);

export const sharpnessOptions = z.strictObject({
  images: count(128, "images, from the front of the split"),
  seed: z.int().min(0).default(0).describe("of attack noise, starts, probes and directions; default 0"),
  loss: z
    .enum(["robust", "crossEntropy"])
    .default("robust")
    .describe("the search's robust loss, or the cross-entropy of its adversarial examples; default robust"),
  dtype: z.enum(["float32", "float64"]).default("float32").describe("arithmetic; default float32"),
  products: z.enum(PRODUCTS).default("doubleBackward").describe("of the Hessian with vectors; default doubleBackward"),
  displacement: z
    .number()
    .gt(0)
    .optional()
    .describe("norm of the weights' displacement in finite differences; default 1e-8 in float64, 1e-3 in float32"),
  eigenvalues: count(3, "largest eigenvalues"),
  lanczosSteps: count(20, "products of the Lanczos method"),
  layerSteps: count(10, "the same for each layer"),
  probes: count(8, "random vectors of the trace"),
  gamma: z.number().min(0).default(0.01).describe("radius of the ball relative to each layer's scores; default 0.01"),
  ascentSteps: count(10, "steps of the ascent to the ball's worst point"),
  directions: count(8, "random directions of the average"),
  flipFraction: z
    .number()
    .gt(0)
    .max(1)
    .default(0.01)
    .describe("share of the kept weights that change sides; default 0.01"),
  layers: z.boolean().default(true).describe("measure each layer by itself too; default true"),
  batchSize: z.int().min(1).optional().describe("images at a time; default all, which is fastest"),
});
export type SharpnessOptions = z.output<typeof sharpnessOptions>;
