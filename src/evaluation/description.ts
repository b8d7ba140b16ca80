import { z } from "zod";
import { isSearchAttack } from "../attacks/index.js";
import type { Split } from "../data/index.js";
import type { Model } from "../models/index.js";
import { type DType, toBytes, torchVersion } from "../torch/index.js";
import { packageVersion, sha256 } from "../util/index.js";
import type { BlockImages } from "./block-images.js";
import { type AttackListOptions, BLOCK, type NamedAttack } from "./list.js";

const description = z.strictObject({
  format: z.literal(1),
  model: z.strictObject({ weights: z.string(), spec: z.json(), dtype: z.string(), search: z.string() }),
  data: z.strictObject({
    name: z.string(),
    sha256: z.string(),
    /** Positions in the data set; null for the first `examples` ones. */
    indices: z.array(z.int()).nullable(),
    examples: z.int(),
    /** [C,H,W] of one image. */
    shape: z.array(z.int()).length(3),
  }),
  norm: z.enum(["linf", "l2", "l1"]),
  /** As written. */
  eps: z.string(),
  preset: z.string(),
  attacks: z.array(z.strictObject({ name: z.string(), options: z.json(), runs: z.array(z.string()) })),
  seed: z.number(),
  batchSize: z.int(),
  block: z.int(),
  leave: z.boolean(),
  individual: z.boolean(),
  warmStart: z.strictObject({ source: z.string(), sha256: z.string() }).nullable(),
  /** Do not decide whether a record may go on. */
  versions: z.record(z.string(), z.string()),
});

/** `record.json`: what is evaluated, and how; two evaluations of one description have the same result. */
export type Description = z.output<typeof description>;
export const descriptionSchema = description;

/** SHA-256 over names, types, shapes and bytes of all weights and buffers. */
export function weightsHash(model: Pick<Model, "params" | "buffers">): string {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  for (const [name, tensor] of [...model.params, ...model.buffers]) {
    chunks.push(encoder.encode(JSON.stringify([name, tensor.dtype, tensor.shape])), toBytes(tensor));
  }
  return sha256(chunks);
}

/**
 * What an image's record says of a search: `rank 3` for the target of that rank among the clean logits, `restart 2` or
 * `rank 3 restart 2` where there are several; nothing where the attack has one search only.
 */
export function runNames({ attack }: NamedAttack): string[] {
  if (!isSearchAttack(attack) || attack.runs.length === 1) return [""];
  const { runs } = attack;
  const restarted = new Set(runs.map(({ rank }) => rank)).size < runs.length;
  const names = runs.map(({ key, rank }) => {
    const restart = key.at(-1);
    const parts = rank === undefined ? [] : [`rank ${rank}`];
    return [...parts, ...(restarted && typeof restart === "number" ? [`restart ${restart + 1}`] : [])].join(" ");
  });
  // An attack of someone else's may have other keys.
  return new Set(names).size === names.length ? names : runs.map(({ key }) => key.join(" "));
}

export const modelDtype = (model: Model): DType => {
  for (const [, tensor] of model.params) return tensor.dtype;
  return "float32";
};

export function describe(model: Model, split: Split, images: BlockImages, options: AttackListOptions): Description {
  const { threat, attacks, warmStart } = options;
  const { dataset } = split;
  const inOrder = images.indices.every((index, at) => index === at);
  const made = {
    format: 1,
    model: {
      weights: weightsHash(model),
      spec: model.spec,
      dtype: modelDtype(model),
      search: options.search ?? "exact",
    },
    data: {
      name: dataset.name,
      sha256: dataset.source.sha256,
      indices: inOrder ? null : [...images.indices],
      examples: images.count,
      shape: model.inputShape,
    },
    norm: threat.norm,
    eps: threat.epsText,
    preset: options.preset ?? "custom",
    attacks: attacks.map((each) => ({ name: each.name, options: each.options ?? null, runs: runNames(each) })),
    seed: options.seed ?? 0,
    batchSize: options.batchSize ?? BLOCK,
    block: BLOCK,
    leave: options.leave ?? true,
    individual: options.individual ?? false,
    warmStart: warmStart ? { source: warmStart.source, sha256: warmStart.sha256 } : null,
    versions: { s2ap: packageVersion(), node: process.versions.node, torch: torchVersion() },
  };
  // Through JSON, so that what is compared on resume is what was written.
  return description.parse(JSON.parse(JSON.stringify(made)));
}
