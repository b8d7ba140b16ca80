import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Found, isInside } from "./folders.js";
import { type SharpnessShown, sharpnessSchema } from "./sharpness-schema.js";

const RECORD = "sharpness.json";
const MOST_BYTES = 64 * 2 ** 20;

/** What was measured of a run's scores; null where nothing was, or where it cannot be read. */
export function sharpnessOf(found: Found): SharpnessShown | null {
  const path = join(found.folder, RECORD);
  try {
    if (!isInside(found, RECORD) || statSync(path).size > MOST_BYTES) return null;
    return sharpnessSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}
