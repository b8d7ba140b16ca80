import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { label } from "../report/format.js";
// From its own file: the layer's index would load the writers of reports.
import { landscapeFiles, parseLandscape } from "../report/landscape-schema.js";
import type { LandscapeShown, LandscapesOfRun } from "./api.js";
import { type Found, isInside } from "./folders.js";

const MOST_FILES = 8;
const MOST_BYTES = 4 * 2 ** 20;
/** A hundred along each axis of a plane: more patches could not be told apart, or turned. */
const MOST_POINTS = 10_000;

function filesOf({ folder }: Found): string[] {
  try {
    return landscapeFiles(readdirSync(folder));
  } catch {
    return []; // Gone meanwhile.
  }
}

/** A landscape, or what is wrong with its file. */
function read({ folder }: Found, name: string): LandscapeShown | string {
  const path = join(folder, name);
  try {
    const { size } = statSync(path);
    if (size > MOST_BYTES) return `expected a landscape of at most 4 MiB, got ${size} bytes`;
    const found = parseLandscape(JSON.parse(readFileSync(path, "utf8")));
    if (found === null) return "expected what s2ap landscape wrote, got other contents";
    const { data, ...shown } = found;
    const points = found.loss.length * found.x.at.length;
    if (points > MOST_POINTS) return `expected at most 10,000 points to draw, got ${points}; s2ap report draws them`;
    return { ...shown, file: label(name), dataHash: data?.sha256 ?? null };
  } catch (error) {
    if (error instanceof SyntaxError) return "expected what s2ap landscape wrote, got no JSON";
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? "unexpected"})`;
  }
}

/** The landscapes of a run as far as they are computed; what a link leads out of the roots is not there. */
export function landscapesOf(found: Found): LandscapesOfRun {
  const names = filesOf(found).filter((name) => isInside(found, name));
  const all = names.slice(0, MOST_FILES).map((name) => ({ name: label(name), answer: read(found, name) }));
  const more =
    names.length > MOST_FILES ? [`Only the first ${MOST_FILES} of ${names.length} landscapes are shown.`] : [];
  return {
    id: found.id,
    landscapes: all.flatMap(({ answer }) => (typeof answer === "string" ? [] : [answer])),
    problems: [
      ...all.flatMap(({ name, answer }) => (typeof answer === "string" ? [`${name}: ${answer}`] : [])),
      ...more,
    ],
  };
}
