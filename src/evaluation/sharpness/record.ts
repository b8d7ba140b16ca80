// `sharpness.json`: what was measured of a search, of which images, and how. It is read by programs of other processes,
// so its numbers are all that they need.
import { existsSync, readFileSync } from "node:fs";
import { differences } from "../../run/index.js";
import { DataError, diskError, expected, show, UsageError, writeFileAtomic } from "../../util/index.js";
import type { SharpnessOptions } from "./options.js";
import type { Measurements } from "./quantities.js";

/** All that decides the numbers but the network. */
export interface SharpnessSettings extends SharpnessOptions {
  /** `selection`, `train` or `test`. */
  readonly split: string;
  /** Name of what made the adversarial examples: an attack, or the loss's own. */
  readonly attack: string;
  readonly norm: string;
  /** As written. */
  readonly eps: string;
  /** The robust loss. */
  readonly objective: string;
  readonly data: { readonly name: string; readonly sha256: string };
}

/** One state of the search. */
export interface SharpnessEpoch extends Measurements {
  /** Epochs done; 0 is the start. */
  readonly epoch: number;
  /** SHA-256 over scores, weights and statistics. */
  readonly state: string;
  /** At the scores. */
  readonly objectiveLoss: number;
  /** Shares of the images that are right as they are, and under the attack. */
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  /** Seconds each quantity took. */
  readonly seconds: Readonly<Record<string, number>>;
}

export interface SharpnessRecord {
  readonly format: 1;
  /** Name of the run. */
  readonly run: string;
  readonly settings: SharpnessSettings;
  /** Scores of each layer, by the name of its weight, in the order of the network. */
  readonly layers: Readonly<Record<string, number>>;
  /** Do not decide whether a record may be gone on with. */
  readonly versions: Readonly<Record<string, string>>;
  readonly epochs: readonly SharpnessEpoch[];
}

/** A record; undefined where there is none. */
export function readSharpness(path: string): SharpnessRecord | undefined {
  if (!existsSync(path)) return undefined;
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw diskError(path, error, "read");
  }
  const record = found as SharpnessRecord | undefined;
  if (record?.format === 1 && Array.isArray(record.epochs) && record.settings !== undefined) return record;
  throw new DataError(`${expected(path, "a record of sharpness, format 1", found)}; remove it to measure again`, {
    code: "data/sharpness",
  });
}

export function writeSharpness(path: string, record: SharpnessRecord): void {
  writeFileAtomic(path, `${JSON.stringify(record, undefined, 2)}\n`);
}

/** Numbers of other settings must not come into one record. */
export function requireSame(path: string, found: SharpnessSettings, wanted: SharpnessSettings): void {
  // Through JSON, so that what is compared is what is written.
  const apart = differences(found, JSON.parse(JSON.stringify(wanted)));
  if (apart.length === 0) return;
  const text = apart.map((d) => `${d.path} ${show(d.before)}, now ${show(d.after)}`).join("; ");
  throw new UsageError(
    `${path}: expected the settings that it was begun with, got others (${text}); name another file with --out, or remove it`,
    { code: "usage/sharpness-settings" },
  );
}
