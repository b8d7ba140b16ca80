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
  settings: z.object({
    axes: z.array(axis).min(1).max(2),
    ...{ epoch: number, images: number, seed: number, split: text },
    ...{ attack: text, norm: text, eps: text, objective: text, loss: text },
    data: z.object({ sha256: text }).nullable().catch(null),
  }),
  losses: z.array(z.array(z.number().nullable().catch(null))),
});

/** A record of `s2ap landscape`, with what it was made of as far as it says so; points still to be computed are `null`. */
export type ParsedLandscape = Omit<z.output<typeof record>["settings"], "axes"> &
  Pick<LandscapeData, "x" | "y"> & { readonly losses: LandscapeData["loss"] };

const ascending = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || value > (values[i - 1] as number));

/** A JSON value as a landscape; `null` where it is none. */
export function parseLandscape(json: unknown): ParsedLandscape | null {
  const found = record.safeParse(json);
  if (!found.success) return null;
  const { settings, losses } = found.data;
  const { axes, ...made } = settings;
  const [x, y = null] = axes.map(({ direction, coordinates }) => ({ name: direction, at: coordinates }));
  if (x === undefined || !ascending(x.at) || !ascending(y?.at ?? [])) return null;
  const whole = losses.length === (y?.at.length ?? 1) && losses.every((row) => row.length === x.at.length);
  return whole ? { ...made, x, y, losses } : null;
}

/** Names of the files in a run folder that hold landscapes: `landscape.json`, and `landscape-eigen.json` or the like. */
export const landscapeFiles = (names: readonly string[]): string[] =>
  names.filter((name) => /^landscape(-.*)?\.json$/.test(name)).sort();

/** The landscapes in a run folder. */
export function readLandscapes(folder: string, problems: string[]): LandscapeData[] {
  const names = existsSync(folder) ? landscapeFiles(readdirSync(folder)) : [];
  return names.flatMap((name) => readLandscape(join(folder, name), problems) ?? []);
}

function readLandscape(path: string, problems: string[]): LandscapeData | null {
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = parseLandscape(json);
  if (found === null || found.losses.flat().every((value) => value === null)) {
    problems.push(`${shortPath(path)} holds no landscape.`);
    return null;
  }
  const { epoch, images, split, x, y, losses: loss } = found;
  return { epoch, images, split, x, y, loss, origin: read({ file: path, at: pointer("losses") }) };
}
