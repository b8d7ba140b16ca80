import { z } from "zod";
import type { Registries } from "../../src/recipe/index.js";
import { entry, expected, ratioField, registry, UsageError } from "../../src/util/index.js";

const row = (options: z.ZodType) => ({ summary: "a fake", options });
const ratio = z.number().gt(0).lte(1);

function fakeS2ap(options: { readonly warmupFraction: number }) {
  return {
    warmup(epochs: number) {
      const length = Math.round(options.warmupFraction * epochs);
      if (length < epochs) return length;
      const what = `warmupFraction to end before the search of ${epochs} epochs does`;
      throw new UsageError(expected("s2ap", what, options.warmupFraction));
    },
  };
}

/** Registries of the real ones' shape whose options never change, so that error texts can be tested letter for letter. */
export function fakeRegistries(): Registries {
  const s2ap = z.strictObject({
    gamma: z.number().gte(0).default(0.01),
    warmupFraction: z.number().gte(0).lte(1).default(0.25),
  });
  return {
    threat: z.discriminatedUnion("norm", [
      z.strictObject({ norm: z.literal("linf"), eps: ratioField() }),
      z.strictObject({ norm: z.literal("l2"), eps: ratioField({ max: 100 }) }),
    ]),
    models: registry("model", {
      resnet18: row(z.strictObject({ numClasses: z.int().default(10), width: z.int().default(64) })),
    }),
    datasets: registry("data set", {
      cifar10: row(z.strictObject({ batchSize: z.int().default(128), augment: z.boolean().default(true) })),
      synthetic: row(z.strictObject({ batchSize: z.int().default(128) })),
    }),
    attacks: registry("attack", {
      fgsm: row(z.strictObject({})),
      pgd: row(z.strictObject({ steps: z.int().gte(1).default(10), stepSize: ratioField().optional() })),
    }),
    losses: registry("loss", {
      "pgd-at": row(z.strictObject({})),
      trades: row(z.strictObject({ beta: z.number().gte(0).default(6) })),
    }),
    optimizers: registry("optimizer", {
      sgd: row(z.strictObject({ lr: z.number().gt(0), momentum: z.number().gte(0).lt(1).default(0) })),
    }),
    schedules: registry("schedule", {
      constant: row(z.strictObject({})),
      cosine: row(z.strictObject({ cycles: z.int().gte(1).default(1) })),
    }),
    methods: registry("method", {
      hydra: entry({
        summary: "a fake",
        options: z.strictObject({ keepRatio: ratio }),
        create: (_options, _context: Readonly<Record<string, never>>) => ({ searches: true }),
      }),
      magnitude: entry({
        summary: "a fake",
        options: z.strictObject({ keepRatio: ratio }),
        create: (_options, _context: Readonly<Record<string, never>>) => ({ searches: false }),
      }),
    }),
    gradients: registry("gradient", {
      plain: entry({
        summary: "a fake",
        options: z.strictObject({}),
        create: (_options, _context: Readonly<Record<string, never>>) => ({ warmup: () => 0 }),
      }),
      s2ap: entry({
        summary: "a fake",
        options: s2ap,
        create: (options, _context: Readonly<Record<string, never>>) => fakeS2ap(options),
      }),
    }),
    weightGradients: registry("weight gradient", {
      plain: entry({
        summary: "a fake",
        options: z.strictObject({}),
        create: (_options, _context: Readonly<Record<string, never>>) => ({ warmup: () => 0 }),
      }),
    }),
  };
}
