import { join } from "node:path";
import { z } from "zod";
import type { StabilityData, StabilityPair } from "./data.js";
import { number, readJson, shortPath, text } from "./json.js";
import { type Origins, pointer, read } from "./origin.js";

const estimate = z
  .object({ value: z.number(), interval: z.tuple([z.number(), z.number()]) })
  .nullable()
  .catch(null);
const functional = z.object({
  agreement: estimate,
  robustSets: z.object({ jaccard: estimate }).nullable().catch(null),
  gradientCosine: estimate,
  features: z.record(z.string(), z.object({ cka: number, debiased: number })).catch({}),
});
const pair = z.object({
  ...{ a: z.string(), b: z.string() },
  masks: z
    .object({ total: z.object({ jaccard: number }) })
    .nullable()
    .catch(null),
  functional: functional.nullable().catch(null),
});
const record = z.object({
  on: z.object({ data: text, examples: number, attack: text, norm: text, eps: text }).nullable().catch(null),
  pairs: z.array(pair),
});

/** What `s2ap stability --out` left in a folder as `stability.json`; `null` where it left nothing. */
export function readStability(folder: string, problems: string[]): StabilityData | null {
  const path = join(folder, "stability.json");
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = record.safeParse(json);
  if (!found.success) {
    problems.push(`${shortPath(path)} holds no record of s2ap stability.`);
    return null;
  }
  const { on, pairs } = found.data;
  return { on, pairs: pairs.map((each, index) => toPair(each, path, index)) };
}

function toPair({ a, b, masks, functional: found }: z.output<typeof pair>, file: string, index: number): StabilityPair {
  const at = (...steps: readonly string[]) => read({ file, at: pointer("pairs", index, ...steps) });
  const layers = Object.entries(found?.features ?? {});
  const estimates = {
    agreement: ["functional", "agreement"],
    robustSets: ["functional", "robustSets", "jaccard"],
    gradientCosine: ["functional", "gradientCosine"],
  };
  const origins: Origins = Object.fromEntries([
    ["masks", at("masks", "total", "jaccard")],
    ...Object.entries(estimates).flatMap(([name, steps]) => [
      [name, at(...steps, "value")],
      [`${name}.interval`, at(...steps, "interval")],
    ]),
    ...layers.flatMap(([layer]) =>
      ["cka", "debiased"].map((kind) => [`${kind}.${layer}`, at("functional", "features", layer, kind)]),
    ),
  ]);
  return {
    ...{ a, b, origins, masks: masks?.total.jaccard ?? null },
    agreement: found?.agreement ?? null,
    robustSets: found?.robustSets?.jaccard ?? null,
    gradientCosine: found?.gradientCosine ?? null,
    features: layers.map(([layer, of]) => ({ layer, ...of })),
  };
}
