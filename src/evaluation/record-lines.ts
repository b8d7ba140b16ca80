// Journals on disk: one line of JSON per finished unit, sealed with a short checksum of itself, and beside them the raw
// points of the images that the unit broke. A killed process can only spoil their ends, which are cut back.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { DataError, diskError, sha256 } from "../util/index.js";
import { type Line, lineSchema, type UnitLine } from "./lines.js";

const NEWLINE = 0x0a;

const seal = (text: string) => sha256(Buffer.from(text, "utf8")).slice(0, 16);

/** A line as bytes, with its newline. */
export function encodeLine(line: Line): Buffer {
  const text = JSON.stringify(line);
  return Buffer.from(`${seal(text)} ${text}\n`, "utf8");
}

function decodeLine(text: string): Line | undefined {
  const body = text.slice(17);
  if (text[16] !== " " || seal(body) !== text.slice(0, 16)) return undefined;
  const parsed = lineSchema.safeParse(JSON.parse(body));
  return parsed.success ? parsed.data : undefined;
}

/** A journal as far as it is whole. */
export interface ReadJournal {
  readonly lines: readonly Line[];
  /** Bytes of the lines and of their points. */
  readonly lineBytes: number;
  readonly pointBytes: number;
  /** What was left out at the end, in words. */
  readonly cut: readonly string[];
}

export function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw diskError(path, error, "read");
  }
}

const damaged = (path: string, line: number, what: string) =>
  new DataError(`${path}:${line}: expected a line that this program wrote, got ${what}; the record is damaged`, {
    code: "data/record",
  });

interface Placed {
  readonly line: Line;
  /** Byte behind it. */
  readonly end: number;
}

/** The lines of a journal; the last one may be spoilt, no other. */
function wholeLines(path: string, bytes: Buffer, cut: string[]): Placed[] {
  const found: Placed[] = [];
  for (let begin = 0; begin < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, begin);
    const end = newline === -1 ? bytes.length : newline + 1;
    const line = newline === -1 ? undefined : decodeLine(bytes.toString("utf8", begin, newline));
    if (line === undefined) {
      if (end < bytes.length) throw damaged(path, found.length + 1, "other text");
      cut.push(`${path}: line ${found.length + 1} was cut off; that unit of work is done again`);
      break;
    }
    found.push({ line, end });
    begin = end;
  }
  return found;
}

/** Whether a unit's points are where its line says. */
function pointsProblem({ points }: UnitLine, path: string, descriptor: number, size: number): string | undefined {
  if (points === null) return undefined;
  if (points.offset + points.length > size) return "points that end early";
  const bytes = Buffer.alloc(points.length);
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(descriptor, bytes, done, bytes.length - done, points.offset + done);
    if (got === 0) throw diskError(path, new Error("short read"), "read");
    done += got;
  }
  return sha256(bytes) === points.sha256 ? undefined : "points with other contents";
}

function openPoints(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw diskError(path, error, "read");
  }
}

/** Drops the lines at the end whose points are not whole; such a line in the middle is an error. */
function withPoints(path: string, points: string, lines: Placed[], cut: string[]): Placed[] {
  const descriptor = openPoints(points);
  const size = descriptor === undefined ? 0 : fstatSync(descriptor).size;
  try {
    const problems = lines.map(({ line }) =>
      line.kind === "unit" ? pointsProblem(line, points, descriptor ?? -1, size) : undefined,
    );
    const bad = problems.findIndex((problem) => problem !== undefined);
    if (bad === -1) return lines;
    const laterHold = lines.some(({ line }, i) => i > bad && line.kind === "unit" && line.points && !problems[i]);
    if (laterHold) throw damaged(path, bad + 1, problems[bad] as string);
    cut.push(`${path}: line ${bad + 1} has ${problems[bad]}; the work from there on is done again`);
    return lines.slice(0, bad);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Reads a journal and its points. Nothing is changed on disk. */
export function readJournal(path: string, points: string): ReadJournal {
  const cut: string[] = [];
  const placed = withPoints(path, points, wholeLines(path, readBytes(path), cut), cut);
  const lines = placed.map(({ line }) => line);
  const ends = lines.map((line) => (line.kind === "unit" && line.points ? line.points.offset + line.points.length : 0));
  return { lines, lineBytes: placed.at(-1)?.end ?? 0, pointBytes: Math.max(0, ...ends), cut };
}
