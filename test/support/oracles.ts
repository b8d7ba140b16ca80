// Reference numbers and where they are. Folders are told apart by what they hold, never by their names.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, test } from "vitest";
import { loadTensors, readSafetensors } from "../../src/nn/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";

/**
 * Whether everything is checked. Otherwise, the rule: attacks run on the first 16 images and for the first 20 steps
 * only. All else is whole either way.
 */
export const whole = process.env.S2AP_ORACLES_WHOLE === "1";
export const most = whole
  ? { images: Number.POSITIVE_INFINITY, steps: Number.POSITIVE_INFINITY }
  : { images: 16, steps: 20 };

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const committed = join(checkout, "test/golden/data");

/** What makes a folder one of a kind, in words and as a test. */
const kinds = {
  model: {
    holds: "arch.json, weights.safetensors, inputs.safetensors and forward.safetensors",
    is: (folder: OracleFolder) => folder.has("arch.json", ...safetensors("weights", "inputs", "forward")),
  },
  s2ap: {
    holds: "arch.json, weights.safetensors, inputs.safetensors, and cases with dL_dwmasked.* in them",
    is: (folder: OracleFolder) =>
      folder.has("arch.json", ...safetensors("weights", "inputs")) && caseFiles(folder).length > 0,
  },
  units: {
    holds: "a safetensors file with losses.K<classes>.* in it",
    is: (folder: OracleFolder) => unitFiles(folder).length > 0,
  },
  hessian: {
    holds: "cases.json and safetensors files with hessian, Hv and mask_flat in them",
    is: (folder: OracleFolder) => folder.has("cases.json") && hessianFiles(folder).length > 0,
  },
} as const;
export type OracleKind = keyof typeof kinds;

const safetensors = (...names: readonly string[]) => names.map((name) => `${name}.safetensors`);
const filesWith = (folder: OracleFolder, key: RegExp) =>
  folder.files.filter(
    (file) => file.endsWith(".safetensors") && folder.keys(file).some((candidate) => key.test(candidate)),
  );
export const caseFiles = (folder: OracleFolder) => filesWith(folder, /^dL_dwmasked\./);
export const hessianFiles = (folder: OracleFolder) => filesWith(folder, /^hessian$/);
export const unitFiles = (folder: OracleFolder) => filesWith(folder, /^losses\.K\d+\.logits$/);

const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** A folder and those below it, behind links too. */
function foldersIn(path: string, depth = 4): string[] {
  const below = readdirSync(path)
    .sort()
    .map((entry) => join(path, entry));
  return [path, ...(depth > 0 ? below.filter(isFolder).flatMap((folder) => foldersIn(folder, depth - 1)) : [])];
}

/** A folder of reference files. */
export class OracleFolder {
  readonly path: string;
  /** For the names of tests. */
  readonly name: string;
  readonly files: readonly string[];

  constructor(path: string, root: string) {
    this.path = path;
    this.name = relative(root, path) || ".";
    this.files = readdirSync(path)
      .filter((file) => !isFolder(join(path, file)))
      .sort();
  }

  has(...names: readonly string[]): boolean {
    return names.every((name) => this.files.includes(name));
  }

  json(file: string): unknown {
    return JSON.parse(readFileSync(join(this.path, file), "utf8"));
  }

  keys(file: string): string[] {
    return [...readSafetensors(join(this.path, file)).tensors.keys()];
  }

  /** The tensors of a file; no scope owns them. */
  tensors(file: string): Map<string, Tensor> {
    return loadTensors(join(this.path, file)).tensors;
  }
}

/**
 * The folder of reference numbers: the one that S2AP_ORACLES names; else `shared/oracles` beside the checkout, where
 * there is one; else the few that are committed.
 */
export function oracleRoot(named: string | undefined = process.env.S2AP_ORACLES, beside = checkout): string {
  if (named) {
    if (isFolder(named)) return named;
    throw new Error(`S2AP_ORACLES: expected a folder of reference numbers, got '${named}', which is not there`);
  }
  const shared = join(dirname(beside.replace(/\/$/, "")), "shared/oracles");
  return isFolder(shared) ? shared : committed;
}

/** All folders of each kind at and below the root; none at all is an error that says what was looked for. */
export function findOracles(root = oracleRoot()): Record<OracleKind, OracleFolder[]> {
  const folders = foldersIn(root).map((path) => new OracleFolder(path, root));
  const of = (kind: OracleKind) => folders.filter(kinds[kind].is);
  const found = { model: of("model"), s2ap: of("s2ap"), units: of("units"), hessian: of("hessian") };
  if (Object.values(found).some((list) => list.length > 0)) return found;
  const wanted = Object.entries(kinds).map(([kind, { holds }]) => `${kind}: a folder with ${holds}`);
  throw new Error(`oracles: expected reference numbers in '${root}', found none. Looked for ${wanted.join("; ")}`);
}

/** Registers tests for each folder of a kind. No folder at all fails; a kind that is not there is a skipped test. */
export function forEachOracle(kind: OracleKind, register: (folder: OracleFolder) => void): void {
  let folders: readonly OracleFolder[];
  try {
    folders = findOracles()[kind];
  } catch (error) {
    test("oracles", () => {
      throw error;
    });
    return;
  }
  if (folders.length === 0) test.skip(`${kind}: none in '${oracleRoot()}', where no folder has ${kinds[kind].holds}`);
  for (const folder of folders) describe(`${kind} ${folder.name}`, () => register(folder));
}

/** Pixels as the reference has them: uint8 / 255. */
export function pixels(images: Tensor, dtype: "float32" | "float64"): Tensor {
  return scope(() => ops.div(ops.to(images, dtype), 255));
}

/** The first n along the first dimension. */
export function first(tensor: Tensor, n: number): Tensor {
  return ops.contiguous(ops.slice(tensor, { end: Math.min(n, tensor.shape[0] ?? 0) }));
}

export function get(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`oracles: expected '${name}', got only ${[...tensors.keys()].join(", ")}`);
  return found;
}
