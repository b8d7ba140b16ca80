// An evaluation on disk:
//   record.json                  what is evaluated, and how; another evaluation is refused
//   shard-<i>/units.jsonl        a line per finished unit of work, each with a checksum
//   shard-<i>/points.bin         the adversarial images of these units, raw
//   shard-<i>/snapshot.safetensors  the search in progress
//   images.json, adversarial.safetensors, result.json, clean.safetensors  once all is done
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";
import { differences, lockFolder } from "../run/index.js";
import { type Tensor, toBytes } from "../torch/index.js";
import {
  DataError,
  diskError,
  makeFolder,
  removeHalfWritten,
  sha256,
  show,
  UsageError,
  writeFileAtomic,
} from "../util/index.js";
import { type Description, descriptionSchema } from "./description.js";
import type { Journal } from "./journal.js";
import type { Line, UnitLine } from "./lines.js";
import { encodeLine, readBytes, readJournal } from "./record-lines.js";
import { loadSnapshot, removeSnapshot, saveSnapshot } from "./snapshot.js";

const SHARD = /^shard-\d+$/;
const MOST_SHOWN = 12;
const SNAPSHOT_SECONDS = 30;

const recordPath = (folder: string) => join(folder, "record.json");
const journalPath = (folder: string) => join(folder, "units.jsonl");
const pointsPath = (folder: string) => join(folder, "points.bin");
const snapshotPath = (folder: string) => join(folder, "snapshot.safetensors");

/** What a record's folder evaluates; undefined where there is none. */
export function findDescription(folder: string): Description | undefined {
  const path = recordPath(folder);
  const bytes = readBytes(path);
  if (bytes.length === 0) return undefined;
  try {
    return descriptionSchema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    const what = "expected what an evaluation wrote, got other contents; choose another folder, or remove this one";
    throw new DataError(`${path}: ${what} to begin anew`, { code: "data/record", cause });
  }
}

/** The shards of a record, in order. */
export function shardFolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => SHARD.test(name));
  return names.sort((a, b) => Number(a.slice(6)) - Number(b.slice(6))).map((name) => join(folder, name));
}

/** A unit of work and the file that has its points. */
export interface RecordedLine {
  readonly line: Line;
  readonly points: string;
}

/** All that is done, by whatever process; the spoilt end of another's journal is left out. */
export function readLines(folder: string): RecordedLine[] {
  return shardFolders(folder).flatMap((shard) => {
    const points = pointsPath(shard);
    return readJournal(journalPath(shard), points).lines.map((line) => ({ line, points }));
  });
}

/** With the names of runs that a record has, which may be those of an earlier version: they only label its lines. */
export function withRecordedRuns(wanted: Description, folder: string): Description {
  const found = findDescription(folder);
  const attacks = wanted.attacks.map((attack, i) => {
    const runs = found?.attacks[i]?.runs ?? [];
    return runs.length === attack.runs.length ? { ...attack, runs } : attack;
  });
  return { ...wanted, attacks };
}

/** A half-finished evaluation goes on as it began: otherwise its number would be nobody's. */
function refuseOther(folder: string, found: Description, wanted: Description): void {
  // Where a warm start lies is for people; its hash says what it is.
  const compared = ({ versions: _, warmStart, ...rest }: Description) => ({
    ...rest,
    warmStart: warmStart?.sha256 ?? null,
  });
  const all = differences(compared(found), compared(wanted));
  if (all.length === 0) return;
  const lines = all
    .slice(0, MOST_SHOWN)
    .map((d) => `  ${d.path}: the record has ${show(d.before)}, now ${show(d.after)}`);
  if (all.length > MOST_SHOWN) lines.push(`  and ${all.length - MOST_SHOWN} more`);
  throw new UsageError(
    `${folder}: expected the evaluation that this record began with, got a changed one\n${lines.join("\n")}\n` +
      "  Take the changes back to resume it, or choose another folder to begin anew.",
    { code: "usage/record-changed" },
  );
}

function settle(folder: string, wanted: Description, warn: (message: string) => void): void {
  const found = findDescription(folder);
  if (found === undefined) {
    writeFileAtomic(recordPath(folder), `${JSON.stringify(wanted, null, 2)}\n`);
    return;
  }
  refuseOther(folder, found, wanted);
  for (const { path, before, after } of differences(found.versions, wanted.versions)) {
    warn(`${folder}: begun with ${path} ${show(before)}, goes on with ${show(after)}: last bits may differ`);
  }
}

interface OpenOptions {
  readonly shard: number;
  readonly snapshotSeconds?: number | undefined;
  readonly warn: (message: string) => void;
}

/**
 * Opens a record for one shard's process, which locks its part. UsageError where another process writes it or the
 * evaluation is another one, DataError where it is damaged or cannot be written.
 */
export function openRecord(folder: string, wanted: Description, options: OpenOptions): Journal {
  const shard = join(folder, `shard-${options.shard}`);
  makeFolder(folder);
  makeFolder(shard);
  const lock = lockFolder(shard);
  try {
    settle(folder, wanted, options.warn);
    removeHalfWritten(shard);
    return openJournal(folder, shard, options, () => lock.release());
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** A file that is appended to; what a failed write left is taken back. */
class Appended {
  readonly path: string;
  readonly #descriptor: number;
  length: number;

  constructor(path: string, length: number) {
    this.path = path;
    this.length = length;
    try {
      this.#descriptor = openSync(path, "a+");
      ftruncateSync(this.#descriptor, length);
    } catch (error) {
      throw diskError(path, error);
    }
  }

  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#descriptor, bytes, done, bytes.length - done);
      }
      fsyncSync(this.#descriptor);
    } catch (error) {
      ftruncateSync(this.#descriptor, this.length);
      throw diskError(this.path, error);
    }
    this.length += bytes.length;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

function openJournal(folder: string, shard: string, options: OpenOptions, release: () => void): Journal {
  const own = readJournal(journalPath(shard), pointsPath(shard));
  for (const message of own.cut) options.warn(message);
  const others = shardFolders(folder).filter((other) => other !== shard);
  const lines = [...own.lines, ...others.flatMap((other) => readJournal(journalPath(other), pointsPath(other)).lines)];
  const journal = new Appended(journalPath(shard), own.lineBytes);
  const points = new Appended(pointsPath(shard), own.pointBytes);
  const every = 1000 * (options.snapshotSeconds ?? SNAPSHOT_SECONDS);
  let last = performance.now();
  const write = (line: Line) => {
    journal.append(encodeLine(line));
    lines.push(line);
  };
  return {
    lines,
    append: write,
    appendUnit(line, found) {
      const whole: UnitLine = { ...line, points: found === undefined ? null : appendPoints(points, found) };
      write(whole);
      removeSnapshot(snapshotPath(shard));
      return whole;
    },
    wantsSnapshot: () => performance.now() - last >= every,
    save(place, snapshot) {
      saveSnapshot(snapshotPath(shard), place, snapshot);
      last = performance.now();
    },
    saved(place) {
      try {
        return loadSnapshot(snapshotPath(shard), place);
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        options.warn(`${error.message}; the search begins anew`);
        return undefined;
      }
    },
    close() {
      journal.close();
      points.close();
      release();
    },
  };
}

function appendPoints(file: Appended, points: Tensor): UnitLine["points"] {
  const bytes = toBytes(points);
  const offset = file.length;
  file.append(bytes);
  return { offset, length: bytes.length, sha256: sha256(bytes) };
}
