// `landscape.json`, as `s2ap landscape` leaves it: the loss on a line or a grid of directions in score space. A row of `losses` for
// each coordinate of the second axis (one row where there is none), a number for each of the first.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { LandscapeData } from "./data.js";
import { number, readJson, shortPath, text } from "./json.js";
import { pointer, read } from "./origin.js";

const axis = z.object({ direction: z.string(), coordinates: z.array(z.number()).min(2) });
const record = z.object({
  settings: z.object({ axes: z.array(axis).min(1).max(2), epoch: number, images: number, split: text }),
  losses: z.array(z.array(z.number().nullable().catch(null))),
});

const ascending = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || value > (values[i - 1] as number));

/** The landscapes in a run folder: `landscape.json`, and `landscape-eigen.json` or the like. */
export function readLandscapes(folder: string, problems: string[]): LandscapeData[] {
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^landscape(-.*)?\.json$/.test(name)) : [];
  return names.sort().flatMap((name) => readLandscape(join(folder, name), problems) ?? []);
}

function readLandscape(path: string, problems: string[]): LandscapeData | null {
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = record.safeParse(json);
  const { axes, ...settings } = found.success
    ? found.data.settings
    : { axes: [], epoch: null, images: null, split: null };
  const [x, y] = axes.map(({ direction, coordinates }) => ({ name: direction, at: coordinates }));
  const losses = found.success ? found.data.losses : [];
  const whole = losses.length === (y?.at.length ?? 1) && losses.every((row) => row.length === x?.at.length);
  if (
    x === undefined ||
    !whole ||
    !ascending(x.at) ||
    !ascending(y?.at ?? []) ||
    losses.flat().every((v) => v === null)
  ) {
    problems.push(`${shortPath(path)} holds no landscape.`);
    return null;
  }
  return { ...settings, x, y: y ?? null, loss: losses, origin: read({ file: path, at: pointer("losses") }) };
}
