import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import {
  checkOptions,
  DataError,
  diskError,
  expectation,
  expected,
  type Problem,
  sha256,
  writeFileAtomic,
} from "../util/index.js";

/** Where a data set came from. */
const source = z.object({ kind: z.string(), location: z.string(), sha256: z.string() });

const manifest = z.object({
  format: z.literal(1),
  name: z.string(),
  /** The resolved recipe; `null` for a run started from the API without one. */
  recipe: z.json(),
  /** SHA-256 of the recipe's canonical JSON. */
  recipeHash: z.string(),
  seed: z.number(),
  /** Of s2ap, node and whatever the caller names. */
  versions: z.record(z.string(), z.string()),
  machine: z.object({
    platform: z.string(),
    cpu: z.string(),
    cores: z.number(),
    memoryBytes: z.number(),
    /** Of libtorch, where the caller says. */
    threads: z.number().optional(),
  }),
  data: source.nullable(),
  createdAt: z.string(),
  status: z.enum(["running", "stopped", "failed", "done"]),
});

/** `run.json`: what a run is, and how far it came. A run that was killed still says `running`, with no live lock. */
export type Manifest = z.output<typeof manifest>;
export type RunStatus = Manifest["status"];

/** The machine we run on, without its name. */
export function machine(): Manifest["machine"] {
  const processors = cpus();
  return {
    platform: `${process.platform} ${process.arch}`,
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryBytes: totalmem(),
  };
}

/** JSON with sorted keys: two recipes that mean the same have the same text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (inner === null || typeof inner !== "object" || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

export function recipeHash(recipe: unknown): string {
  return sha256(Buffer.from(canonicalJson(recipe), "utf8"));
}

/** The manifest of a run folder, or `undefined` when it has none; DataError when it cannot be read. */
export function findManifest(folder: string): Manifest | undefined {
  const path = join(folder, "run.json");
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw diskError(path, error, "read");
  }
  const checked = checkOptions(manifest, parseJson(text));
  if (checked.ok) return checked.value;
  const problem = checked.problems[0] as Problem;
  throw new DataError(expected(path, expectation(problem), problem.got), { code: "data/not-a-run" });
}

/** Text that is no JSON is reported as a value of the wrong type. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** The manifest of a run folder; DataError when the folder is none. */
export function readManifest(folder: string): Manifest {
  const found = findManifest(folder);
  if (found !== undefined) return found;
  throw new DataError(`${folder}: expected a run folder, got one without run.json`, { code: "data/not-a-run" });
}

export function writeManifest(folder: string, value: Manifest): void {
  writeFileAtomic(join(folder, "run.json"), `${JSON.stringify(value, undefined, 2)}\n`);
}
