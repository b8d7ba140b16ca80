import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { LandscapeData } from "./data.js";
import { readJson, shortPath } from "./json.js";
import { landscapeFiles, parseLandscape } from "./landscape-schema.js";
import { pointer, read } from "./origin.js";

/** The landscapes in a run folder. */
export function readLandscapes(folder: string, problems: string[]): LandscapeData[] {
  const names = existsSync(folder) ? landscapeFiles(readdirSync(folder)) : [];
  return names.flatMap((name) => readLandscape(join(folder, name), problems) ?? []);
}

function readLandscape(path: string, problems: string[]): LandscapeData | null {
  const json = readJson(path, problems);
  if (json === undefined) return null;
  const found = parseLandscape(json);
  if (found === null || found.loss.flat().every((value) => value === null)) {
    problems.push(`${shortPath(path)} holds no landscape.`);
    return null;
  }
  const { epoch, images, split, other, cosine, x, y, loss } = found;
  return { epoch, images, split, other, cosine, x, y, loss, origin: read({ file: path, at: pointer("losses") }) };
}
