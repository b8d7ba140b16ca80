import { z } from "zod";
import type { ThreatNorm } from "../attacks/index.js";
import {
  type Distillation,
  distillOptions,
  type EmaOptions,
  emaOptions,
  type KeepEpochs,
  type OverfittingAlarm,
} from "../train/index.js";
import type { AnyEntry, Registry } from "../util/index.js";

/** What the schema needs of a registry's row. */
export interface Described {
  readonly summary: string;
  readonly options: z.ZodType;
  /** Of a loss that crafts its examples itself, and so takes no `attack`. */
  readonly attack?: "none";
}

type NoContext = Readonly<Record<string, never>>;

/** Everything that a recipe can name. */
export interface Registries {
  readonly threat: z.ZodType;
  readonly models: Registry<Described>;
  readonly datasets: Registry<Described>;
  readonly attacks: Registry<Described>;
  readonly losses: Registry<Described>;
  readonly optimizers: Registry<Described>;
  readonly schedules: Registry<Described>;
  readonly methods: Registry<AnyEntry<NoContext, { readonly searches: boolean }>>;
  readonly gradients: Registry<AnyEntry<NoContext, { warmup(epochs: number): number }>>;
  readonly weightGradients: Registry<AnyEntry<NoContext, { warmup(epochs: number): number }>>;
}

/** A factory's name and its options, defaults filled in. */
export interface Named {
  readonly name: string;
  readonly [option: string]: unknown;
}

export interface StageRecipe {
  readonly epochs: number;
  /** An epoch; default one pass over the training images. */
  readonly batches?: number;
  /** Which epoch's network goes on. */
  readonly choose: "best" | "last";
  /** With `attack`, which crafts its examples, unless it does so itself. */
  readonly loss: Named & { readonly attack?: Named };
  /** With `schedule`. */
  readonly optimizer: Named & { readonly schedule: Named };
  readonly overfittingAlarm?: OverfittingAlarm;
}

/** A stage that trains weights. */
export interface WeightStageRecipe extends StageRecipe {
  readonly weightGradient?: Named;
  readonly ema?: EmaOptions;
}

export interface FinetuneRecipe extends WeightStageRecipe {
  /** What training begins with. */
  readonly weights: "inherit" | "redraw";
  /** The pretrained network as a teacher. */
  readonly distill?: Omit<Distillation, "teacher">;
}

export interface SearchRecipe extends StageRecipe {
  readonly method: Named;
  readonly gradient: Named;
  readonly freezeBatchNorm: boolean;
  readonly recalibrate: number;
  readonly keepScores?: KeepEpochs;
  readonly keepMasks?: KeepEpochs;
}

/** One measurement of the finished network: `clean`, or an attack. */
export interface EvaluationRecipe extends Named {
  /** Images of the test set, from its front; default all. */
  readonly examples?: number;
}

export type Precision = "float32" | "bfloat16" | "auto";

/** A recipe with every default filled in, as plain JSON. */
export interface Recipe {
  readonly name: string;
  readonly seed: number;
  /** Of the training; evaluation is float32. `auto`: bfloat16 where the CPU has it. */
  readonly precision: Precision;
  /** What chooses among epochs; `test` is what the references do. */
  readonly selectOn: "selection" | "test";
  readonly data: Named;
  readonly model: { readonly arch: string; readonly [option: string]: unknown };
  readonly threat: { readonly norm: ThreatNorm; readonly eps: string };
  readonly stages: {
    readonly pretrain?: WeightStageRecipe;
    readonly search?: SearchRecipe;
    readonly finetune?: FinetuneRecipe;
  };
  readonly evaluation: readonly EvaluationRecipe[];
}

/**
 * What a recipe file means. With `variants` it is an experiment: the recipe itself ends with the pretrain stage, which
 * the variants share, and each variant is a whole recipe.
 */
export interface ResolvedRecipe extends Recipe {
  readonly variants?: Readonly<Record<string, Recipe>>;
}

/** The options of one factory with the tag that names it, and what the recipe adds to them. */
function tagged(tag: string, name: string, row: Described, extra: z.ZodRawShape): z.ZodObject {
  if (!(row.options instanceof z.ZodObject)) {
    throw new TypeError(`${name}: expected its options to be a zod object, got a ${row.options.type}`);
  }
  return row.options.safeExtend({ [tag]: z.literal(name).describe(row.summary), ...extra }).strict();
}

/** A choice among the rows of a registry by `name:` (`arch:` for models). */
export function choice(rows: Registry<Described>, extra: z.ZodRawShape = {}, tag = "name"): z.ZodDiscriminatedUnion {
  const { attack: _attack, ...others } = extra;
  const options = rows.entries().map(([name, row]) => tagged(tag, name, row, row.attack === "none" ? others : extra));
  return z.discriminatedUnion(tag, options as unknown as [z.ZodObject]);
}

/** `schedule: cosine` is short for `schedule: { name: cosine }`. */
function scheduleChoice(rows: Registry<Described>): z.ZodType {
  const whole = choice(rows);
  const short = z.enum(rows.names()).transform((name): unknown => whole.parse({ name }));
  return z.union([short, whole]).default(() => whole.parse({ name: "constant" }));
}

function evaluationItem(attacks: Registry<Described>): z.ZodType {
  const examples = z.int().gte(1).optional().describe("test images to use, from the front; default all");
  const clean = z.strictObject({ name: z.literal("clean").describe("accuracy on unperturbed images"), examples });
  const autoattack = z.strictObject({
    name: z
      .literal("autoattack")
      .describe("AutoAttack: four or six attacks, each on the images that those before left"),
    version: z
      .enum(["standard", "plus", "rand"])
      .default("standard")
      .describe("which list of attacks; default standard"),
    examples,
  });
  const others = attacks.entries().map(([name, row]) => tagged("name", name, row, { examples }));
  return z.discriminatedUnion("name", [clean, autoattack, ...others]);
}

/** The choices a recipe offers, by the key that makes them. */
function choices(known: Registries) {
  const attack = choice(known.attacks).describe("crafts the examples the loss is computed on");
  const schedule = scheduleChoice(known.schedules).describe("of the learning rate, over a stage; default constant");
  const gradient = choice(known.gradients).describe("how the search follows the scores; default plain");
  const weightGradient = choice(known.weightGradients).describe(
    "where training takes its gradient; default plain: at the weights",
  );
  return {
    attack,
    schedule,
    loss: choice(known.losses, { attack }).describe("what is minimised; a stage's own is laid over the common one"),
    optimizer: choice(known.optimizers, { schedule }).describe("a stage's own is laid over the common one"),
    data: choice(known.datasets).describe("which images, and how they are split and batched"),
    model: choice(known.models, {}, "arch").describe("the network"),
    threat: known.threat.describe("what the adversary may do"),
    method: choice(known.methods).describe("how scores make a mask"),
    gradient,
    weightGradient,
    evaluation: evaluationItem(known.attacks),
  };
}

/** Choices that can be made once for all stages. */
export const COMMON = ["loss", "optimizer"] as const;

/** The schema of a recipe whose stages are complete (variants and common options merged in), and of its choices. */
export function recipeSchemas(known: Registries) {
  const offered = choices(known);
  return { recipe: recipeSchema(offered), choices: offered };
}

type Choices = ReturnType<typeof choices>;
export type RecipeSchemas = ReturnType<typeof recipeSchemas>;

/** Keys of a recipe file that are gone once it is merged; they are here to be listed among the known ones. */
const mergedBefore = {
  loss: z.never().optional(),
  optimizer: z.never().optional(),
  variants: z.never().optional(),
  profiles: z.never().optional(),
};

const overfittingAlarm = z
  .enum(["warn", "stop", "off"])
  .optional()
  .describe(
    "when accuracy under PGD falls while that under FGSM rises: tell, end with an error, or do not look; default warn for losses of a single step, else off",
  );

const choose = z
  .enum(["best", "last"])
  .default("best")
  .describe("which epoch's network goes on: the most robust on the selection images (default), or the last");

const weights = z
  .enum(["inherit", "redraw"])
  .default("inherit")
  .describe("begin with the weights that were searched in (default), or, for methods that draw them, with new ones");

const keepEpochs = z
  .union([z.literal("none"), z.array(z.int().gte(0)), z.strictObject({ every: z.int().gte(1) })])
  .optional();

const keepScores = keepEpochs.describe(
  "epochs whose scores stay in the run folder, for `s2ap sharpness`: `none`, or besides start and end a list such as [5, 10], or {every: 5}; default start and end",
);

const keepMasks = keepEpochs.describe(
  "epochs whose masks stay in the run folder at one bit a weight, for `s2ap stability`: as for keepScores; default all; of more than 100 every k-th, so that 100 remain at most",
);

const ema = emaOptions.optional().describe("measure and pass on a moving average of the weights; default none");

const distill = distillOptions
  .optional()
  .describe("the pretrained network as a teacher, beside the loss; default none");

function recipeSchema(offered: Choices) {
  const { loss, optimizer, method, gradient, weightGradient, data, model, threat, evaluation } = offered;
  const epochs = z.int().gte(1).describe("passes over the training images");
  const search = {
    epochs: z.int().gte(0).default(0).describe("passes over the training images; only methods without a search take 0"),
    method,
    gradient: gradient.default(() => gradient.parse({ name: "plain" })),
    freezeBatchNorm: z
      .boolean()
      .default(false)
      .describe("leave batch norm's weights and biases as they are; default false"),
    recalibrate: z
      .int()
      .gte(0)
      .default(0)
      .describe("batches that re-estimate running statistics at the final mask; default 0"),
    keepScores,
    keepMasks,
  };
  const batches = z.int().gte(1).optional().describe("batches an epoch; default one pass over the training images");
  const stage = { batches, choose, loss, optimizer, overfittingAlarm };
  const weightStage = { ...stage, weightGradient: weightGradient.optional(), ema };
  return z.strictObject({
    name: z.string().min(1).describe("default: the file's name"),
    seed: z.int().gte(0).lte(Number.MAX_SAFE_INTEGER).default(1234).describe("default 1234"),
    precision: z
      .enum(["float32", "bfloat16", "auto"])
      .default("float32")
      .describe("of training; `auto` is bfloat16 where the CPU has it; evaluation is float32; default float32"),
    selectOn: z
      .enum(["selection", "test"])
      .default("selection")
      .describe(
        "images that choose among epochs: held out of training (default), or parity with the references: the test set",
      ),
    data,
    model,
    threat,
    stages: z
      .strictObject({
        pretrain: z
          .strictObject({ epochs, ...weightStage })
          .optional()
          .describe("robust training of the dense network"),
        search: z
          .strictObject({ ...search, ...stage })
          .optional()
          .describe("the search for a mask; weights are frozen"),
        finetune: z
          .strictObject({ epochs, weights, distill, ...weightStage })
          .optional()
          .describe("training of the kept weights"),
      })
      .describe("what is done, in this order"),
    evaluation: z
      .array(evaluation)
      .default(() => [{ name: "clean" }])
      .describe("what is measured at the end, in float32 on the test set"),
    ...mergedBefore,
  });
}
