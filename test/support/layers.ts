import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";

/** A source tree as data: path inside the tree, with `/`, to text. */
export type Tree = ReadonlyMap<string, string>;

/** One import of another file of the tree. A `type` import is gone after compilation. */
export interface Import {
  readonly specifier: string;
  readonly type: boolean;
}

/** Rows from top to bottom, as in docs/architecture.md. A folder imports from rows below its own, or from its own row. */
export const rows: readonly (readonly string[])[] = [
  ["cli", "dashboard"],
  ["recipe"],
  ["report", "export", "tracking"],
  ["evaluation"],
  ["train"],
  ["sharpness"],
  ["pruning"],
  ["losses"],
  ["attacks"],
  ["models"],
  ["data"],
  ["nn", "optim"],
  ["torch"],
  ["run"], // the two leaves: anyone may import them
  ["util"],
];

/** The sources under `root`, tests apart. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(tsx?|js)$/.test(entry.name) || /\.test\.tsx?$/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    tree.set(posix.relative(root, path), readFileSync(path, "utf8"));
  }
  return tree;
}

/** The relative imports, re-exports, dynamic imports and worker addresses in a source text. */
export function importsOf(text: string): Import[] {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const found: Import[] = [];
  for (const match of code.matchAll(/^\s*(import|export)\s+(type\s)?(?:[^"';]*?\sfrom\s*)?["'](\.[^"']*)["']/gm)) {
    found.push({ specifier: match[3] ?? "", type: match[2] !== undefined });
  }
  for (const match of code.matchAll(/\bimport\(\s*["'](\.[^"']*)["']/g)) {
    found.push({ specifier: match[1] ?? "", type: false });
  }
  for (const match of code.matchAll(/\bnew URL\(\s*["'](\.[^"']*\.js)["'],\s*import\.meta\.url/g)) {
    found.push({ specifier: match[1] ?? "", type: false });
  }
  return found;
}

/** Each breach of the layer rules, in words; none when the tree is in order. */
export function layerErrors(tree: Tree): string[] {
  const errors: string[] = [];
  const folders = new Map<string, Set<string>>();
  for (const [from, text] of tree) {
    const folder = folderOf(from);
    if (folder !== "" && rowOf(folder) < 0) errors.push(`${from}: the folder ${folder} is in no row of the layers`);
    for (const { specifier } of importsOf(text)) {
      const to = resolve(tree, from, specifier);
      if (to === undefined) {
        errors.push(`${from}: imports ${specifier}, which is no source file of the tree`);
        continue;
      }
      const target = folderOf(to);
      if (target === folder) continue;
      if (!mayImport(folder, target)) errors.push(`${from}: ${folder} may not import ${target} (${to})`);
      if (folder !== "") edgesFrom(folders, folder).add(target);
    }
  }
  for (const cycle of cycles(folders)) errors.push(`folders import one another: ${cycle.join(" -> ")}`);
  return errors;
}

/** The circles of files that import one another's values; type imports are gone at run time and do not count. */
export function importCycles(tree: Tree): string[][] {
  const edges = new Map<string, Set<string>>();
  for (const [from, text] of tree) {
    for (const { specifier, type } of importsOf(text)) {
      const to = resolve(tree, from, specifier);
      if (to !== undefined && !type) edgesFrom(edges, from).add(to);
    }
  }
  return cycles(edges);
}

/** "" is the top of the tree, index.ts: it may import all, and nothing imports it. */
function mayImport(from: string, to: string): boolean {
  if (from === "") return true;
  if (to === "") return false;
  if (to === "util" || (to === "run" && from !== "util")) return true;
  return rowOf(from) <= rowOf(to) && from !== "run";
}

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder));
}

function folderOf(path: string): string {
  return path.includes("/") ? (path.split("/")[0] ?? "") : "";
}

function resolve(tree: Tree, from: string, specifier: string): string | undefined {
  const path = posix.join(dirname(from), specifier);
  return [path.replace(/\.js$/, ".ts"), path.replace(/\.js$/, ".tsx"), path].find((file) => tree.has(file));
}

function edgesFrom(edges: Map<string, Set<string>>, from: string): Set<string> {
  const targets = edges.get(from) ?? new Set();
  edges.set(from, targets);
  return targets;
}

/** One closed path for each back edge of a depth-first walk. */
function cycles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) found.push([...path.slice(at), node]);
    if (at >= 0 || done.has(node)) return;
    path.push(node);
    for (const next of edges.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of edges.keys()) visit(node);
  return found;
}
