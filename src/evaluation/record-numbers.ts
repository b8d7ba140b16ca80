// The numbers of a finished record against what became of its images, which anyone can check.
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";
import { DataError, diskError } from "../util/index.js";
import { cardPath } from "./card.js";
import { resultPath } from "./finish.js";
import type { ImageRecord } from "./robustness.js";

/** What `result.json` and `card.json` both have. */
const numbers = z.object({
  examples: z.number(),
  cleanAccuracy: z.number(),
  robustAccuracy: z.number(),
  after: z.record(z.string(), z.number()),
});
type Numbers = z.output<typeof numbers>;

/** A JSON file of a finished record; `what` it holds is for the error that other contents are. */
export function readRecordFile<T>(path: string, schema: z.ZodType<T>, what: string): T {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw diskError(path, error, "read");
  }
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const expected = `expected ${what}, got other contents; the evaluation's own command writes it again`;
    throw new DataError(`${path}: ${expected}`, { code: "data/record", cause });
  }
}

/** The same numbers from the images: each attack leaves what neither it nor those before it broke. */
function numbersOf(images: readonly ImageRecord[], order: readonly string[]): Numbers {
  const brokenBy = (name: string) => images.filter((image) => image.brokenBy === name).length;
  const share = (count: number) => count / images.length;
  let standing = images.length;
  const after = Object.fromEntries(
    order.map((name) => {
      standing -= brokenBy(name);
      return [name, share(standing)];
    }),
  );
  return {
    examples: images.length,
    cleanAccuracy: share(images.length - brokenBy("clean")),
    robustAccuracy: share(images.filter((image) => image.brokenBy === null).length),
    after,
  };
}

/** What the record's files say otherwise than its images do; of the card only where there is one. */
export function contradictionsOf(folder: string, images: readonly ImageRecord[]): string[] {
  return [resultPath(folder), cardPath(folder)].filter(existsSync).flatMap((path) => {
    const said = readRecordFile(path, numbers, "what an evaluation wrote");
    const found = numbersOf(images, Object.keys(said.after));
    const differ = (what: string, a: number, b: number | undefined) =>
      a === b ? [] : [`${basename(path)} has ${what} ${a}, its images give ${b}`];
    return [
      ...(["examples", "cleanAccuracy", "robustAccuracy"] as const).flatMap((key) =>
        differ(key, said[key], found[key]),
      ),
      ...Object.entries(said.after).flatMap(([name, left]) => differ(`after ${name}`, left, found.after[name])),
    ];
  });
}
