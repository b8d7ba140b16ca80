import { existsSync, readdirSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { z } from "zod";
import type { CardData } from "./data.js";
import { interval, number, readJson, share, shortPath, text } from "./json.js";
import { pointer, read } from "./origin.js";
import { readDistances } from "./read-distances.js";

const point = z.object({ radius: z.number().min(0), robustAccuracy: z.number(), low: z.number(), high: z.number() });
const passes = z.object({ forward: z.number(), backward: z.number() }).nullable().catch(null);

const card = z.object({
  preset: text,
  norm: text,
  eps: text,
  examples: number,
  cleanAccuracy: share,
  robustAccuracy: share,
  interval,
  passes,
  seconds: number,
  verdict: z
    .object({ question: z.string(), early: z.literal(true).optional() })
    .optional()
    .catch(undefined),
  classes: z
    .array(z.object({ name: z.string(), examples: number, cleanAccuracy: share, robustAccuracy: share, interval }))
    .catch([]),
  minimumNorm: z
    .object({
      attack: z.string(),
      norm: z.string(),
      eps: z.string(),
      curve: z.object({ examples: z.int(), points: z.array(point).min(1) }),
    })
    .nullish()
    .catch(null),
});

/** Folders below one of a run, two deep, where evaluations are kept: `evaluation/2-autoattack`. */
function below(folder: string, depth = 2): string[] {
  if (depth === 0) return [];
  const entries = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
  const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => join(folder, name));
  return folders.sort().flatMap((each) => [each, ...below(each, depth - 1)]);
}

/** The cards of a run folder's evaluations; of those that only measured distances, what these say. */
export function readCards(folder: string, problems: string[]): CardData[] {
  return [folder, ...below(folder)].flatMap((each): CardData[] => {
    const path = join(each, "card.json");
    if (!existsSync(path)) {
      const measured = readDistances(each, problems);
      return measured === undefined ? [] : [measured];
    }
    const json = readJson(path, problems);
    if (json === undefined) return [];
    const found = card.safeParse(json);
    if (!found.success) {
      problems.push(`${shortPath(path)} is no card of an evaluation.`);
      return [];
    }
    const { minimumNorm, classes, verdict, ...rest } = found.data;
    const endedEarly = verdict?.early === true ? verdict.question : null;
    const at = (...steps: readonly (string | number)[]) => read({ file: path, at: pointer(...steps) });
    const name = relative(resolve(folder), resolve(each)) === "" ? basename(resolve(folder)) : basename(each);
    const own = classes.map((entry, i) => ({
      ...entry,
      origins: {
        examples: at("classes", i, "examples"),
        cleanAccuracy: at("classes", i, "cleanAccuracy"),
        robustAccuracy: at("classes", i, "robustAccuracy"),
        interval: at("classes", i, "interval"),
      },
    }));
    const curve = minimumNorm ?? null;
    const fields = ["radius", "robustAccuracy", "low", "high"];
    const pointOrigins = (curve?.curve.points ?? []).map((_, i) =>
      Object.fromEntries(fields.map((field) => [field, at("minimumNorm", "curve", "points", i, field)])),
    );
    return [{ name, ...rest, endedEarly, classes: own, curve, pointOrigins }];
  });
}
