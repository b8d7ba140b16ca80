// What a grid keeps of a cell: numbers, and what became of each test image, so that cells can be compared image by image.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CellNumbers, CostLine } from "../report/index.js";
import { canonicalJson, type EpochDone, readEvents } from "../run/index.js";
import { writeFileAtomic } from "../util/index.js";
import { completed } from "./completed.js";
import { type Attacked, type AttackedOptions, attackedFile } from "./grid-attack.js";
import { type Row, stageCosts } from "./row.js";
import type { Recipe } from "./schema.js";

/** What a finished run and the attacks on its network, before and after finetuning, say of its cell. */
export function cellNumbers(folder: string, recipe: Recipe, row: Row, options: AttackedOptions): CellNumbers {
  const attacked = (path: string, when: string) =>
    attackedFile(join(folder, path), recipe, { ...options, record: join(folder, "evaluation", `autoattack-${when}`) });
  const events = readEvents(folder);
  const search = events.filter((event): event is EpochDone => event.type === "epoch" && event.stage === "search");
  const stages = stageCosts(events);
  const searched = "checkpoints/search.safetensors";
  const before = existsSync(join(folder, searched)) ? attacked(searched, "before") : undefined;
  // Without finetuning the result is the searched network.
  const ends = before !== undefined && recipe.stages.finetune === undefined;
  const after = ends ? undefined : attacked("model.safetensors", "after");
  const attack = ({ cost }: Attacked, when: string): CostLine => ({ ...cost, what: `${cost.what}, ${when}` });
  return {
    sparsity: row.sparsity,
    before: (before ?? (after as Attacked)).accuracy,
    after: after?.accuracy ?? null,
    passes: Object.fromEntries(stages.map(({ what, forward, backward }) => [what, forward + backward])),
    seconds: row.stageSeconds,
    maskDistances: search.flatMap(({ maskDistance }) => (maskDistance ? [maskDistance.perKept] : [])),
    swapFraction: search.at(-1)?.swapFraction ?? null,
    cost: [...stages, ...(before ? [attack(before, "before")] : []), ...(after ? [attack(after, "after")] : [])],
  };
}

/** What a cell's numbers depend on: they are good for no other recipe and no other dense network. */
export interface KeptOf {
  readonly recipe: Recipe;
  /** SHA-256 of the dense network that it began with; none where it trains its own. */
  readonly dense?: string | undefined;
}

/** Recipes as they are with the defaults of today: an option that came since changes nothing where it is not set. */
const named = ({ recipe, dense }: KeptOf) => canonicalJson({ recipe: completed(recipe), dense: dense ?? null });

/** Numbers that were kept of this; undefined when there are none, or only of something else, or none that can be read. */
export function readKept<T>(path: string, of: KeptOf): T | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const kept = JSON.parse(readFileSync(path, "utf8")) as { of?: KeptOf; value?: T };
    return kept.of !== undefined && named(kept.of) === named(of) ? kept.value : undefined;
  } catch {
    return undefined;
  }
}

export function writeKept(path: string, of: KeptOf, value: unknown): void {
  writeFileAtomic(path, `${JSON.stringify({ format: 2, of, value }, undefined, 1)}\n`);
}
