import { join } from "node:path";
import { z } from "zod";
import type { SharpnessData, SharpnessState, TieShares } from "./data.js";
import { number, readJson, shortPath, text } from "./json.js";
import { type Origin, type Origins, pointer, read } from "./origin.js";

const optional = <T extends z.ZodType>(schema: T) => schema.nullish().catch(null);
const estimate = optional(z.object({ total: z.object({ value: z.number(), standardError: number }) }));
const rise = optional(z.object({ total: z.object({ rise: z.number() }) }));

const shares = z.array(z.number().min(0).max(1));
const ties = optional(
  z.object({
    deltas: z.array(z.number().positive()),
    within: shares,
    layers: z.record(z.string(), z.object({ within: shares })),
  }),
);

const state = z.object({
  epoch: z.int().min(0),
  objectiveLoss: number,
  eigenvalues: optional(
    z.object({
      values: z.array(z.number()).min(1),
      bounds: z.array(z.number()).min(1),
      layers: z.record(z.string(), z.object({ value: z.number(), bound: z.number() })).catch({}),
    }),
  ),
  trace: estimate,
  worst: rise,
  average: estimate,
  flip: rise,
  ties,
});

const record = z.object({
  settings: z.object({
    images: number,
    split: text,
    attack: text,
    objective: text,
    norm: text,
    eps: text,
    gamma: number,
    flipFraction: number,
    dtype: text,
  }),
  epochs: z.array(z.unknown()),
});

/** What `s2ap sharpness` left in a run folder; `null` where it left nothing. */
export function readSharpness(folder: string, problems: string[]): SharpnessData | null {
  const path = join(folder, "sharpness.json");
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = record.safeParse(json);
  if (!found.success) {
    problems.push(`${shortPath(path)} holds no record of sharpness.`);
    return null;
  }
  const states = found.data.epochs.flatMap((entry, index): SharpnessState[] => {
    const parsed = state.safeParse(entry);
    return parsed.success ? [toState(parsed.data, path, index)] : [];
  });
  const bad = found.data.epochs.length - states.length;
  if (bad > 0) problems.push(`${shortPath(path)}: ${bad} of ${found.data.epochs.length} states cannot be read.`);
  return { settings: found.data.settings, states };
}

/** Shares and where each of them stands. */
function tieShares(
  found: z.output<typeof ties>,
  at: (...steps: readonly (string | number)[]) => Origin,
): { readonly ties: TieShares | null; readonly origins: Origins } {
  if (found === null || found === undefined) return { ties: null, origins: {} };
  const { deltas, within } = found;
  const layers = Object.entries(found.layers).map(([name, layer]) => [name, layer.within] as const);
  const origins = deltas.flatMap((_, i) => [
    [`ties/${i}`, at("ties", "within", i)] as const,
    ...layers.map(([name]) => [`ties/${i}/${name}`, at("ties", "layers", name, "within", i)] as const),
  ]);
  return { ties: { deltas, within, layers: Object.fromEntries(layers) }, origins: Object.fromEntries(origins) };
}

function toState(found: z.output<typeof state>, file: string, index: number): SharpnessState {
  const { epoch, objectiveLoss: loss, eigenvalues, trace, worst, average, flip } = found;
  const at = (...steps: readonly (string | number)[]) => read({ file, at: pointer("epochs", index, ...steps) });
  const layers = Object.entries(eigenvalues?.layers ?? {});
  const near = tieShares(found.ties, at);
  const origins: Origins = {
    loss: at("objectiveLoss"),
    top: at("eigenvalues", "values", 0),
    bound: at("eigenvalues", "bounds", 0),
    trace: at("trace", "total", "value"),
    traceError: at("trace", "total", "standardError"),
    worst: at("worst", "total", "rise"),
    average: at("average", "total", "value"),
    averageError: at("average", "total", "standardError"),
    flip: at("flip", "total", "rise"),
    ...near.origins,
    ...Object.fromEntries(layers.map(([name]) => [`layers.${name}`, at("eigenvalues", "layers", name, "value")])),
  };
  return {
    ...{ epoch, loss, origins, ties: near.ties },
    top: eigenvalues?.values[0] ?? null,
    bound: eigenvalues?.bounds[0] ?? null,
    trace: trace?.total.value ?? null,
    traceError: trace?.total.standardError ?? null,
    worst: worst?.total.rise ?? null,
    average: average?.total.value ?? null,
    averageError: average?.total.standardError ?? null,
    flip: flip?.total.rise ?? null,
    layers: Object.fromEntries(layers.map(([name, { value }]) => [name, value])),
  };
}
