import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";

/** Schema fields that turn anything unexpected into `null`: a report shows what is there and never stops. */
export const number = z.number().nullable().catch(null);
export const share = z.number().min(0).max(1).nullable().catch(null);
export const text = z.string().nullable().catch(null);
export const interval = z
  .tuple([z.number().min(0).max(1), z.number().min(0).max(1)])
  .nullable()
  .catch(null);
/** Numbers by name; entries that are no numbers are left out. */
export const numbers = z
  .record(z.string(), z.unknown())
  .catch({})
  .transform((record) =>
    Object.fromEntries(Object.entries(record).filter((pair): pair is [string, number] => typeof pair[1] === "number")),
  );

/** The last two parts of a path: enough to find a file, without telling where somebody keeps it. */
export function shortPath(path: string): string {
  return join(basename(dirname(path)), basename(path));
}

/** A JSON file's value, or `undefined` when it is not there; what is unreadable is added to `problems`. */
export function readJson(path: string, problems: string[]): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as unknown;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "ENOENT")
      problems.push(`${shortPath(path)} cannot be read${code ? ` (${code})` : ": it is no JSON"}.`);
    return undefined;
  }
}
