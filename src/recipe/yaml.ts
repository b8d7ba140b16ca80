import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import { show } from "../util/index.js";
import { RecipeError, type RecipeProblem } from "./problem.js";
import type { MapNode, Node, Path, Place, ScalarNode } from "./tree.js";

/** An alias that repeats itself, or a file that grows without end, is refused rather than followed. */
const DEEPEST = 40;
const MOST_NODES = 20_000;

interface Reading {
  /** The place of a byte offset. */
  at(offset: number | undefined): Place;
  resolve(alias: unknown): unknown;
  readonly problems: RecipeProblem[];
  nodes: number;
}

type Ranged = { readonly range?: readonly [number, number, number] | null } | null;

/** Reads YAML into a tree that knows where everything stands. Throws RecipeError with all syntax errors. */
export function readYaml(text: string, file: string): Node {
  return read(text, (offset, lines) => {
    const { line, col } = lines.linePos(offset);
    return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
  });
}

/** Reads the value of an option such as `--set path=value`: everything stands at the option. */
export function readValue(text: string, option: string, path: Path): Node {
  return read(text, () => ({ option }), path);
}

function read(text: string, at: (offset: number, lines: LineCounter) => Place, path: Path = []): Node {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false });
  const problems: RecipeProblem[] = document.errors.map((error) => ({
    place: at(error.pos[0], lines),
    text: `expected YAML, got a syntax error: ${error.message}`,
  }));
  if (problems.length > 0) throw new RecipeError(problems);
  const reading: Reading = {
    at: (offset) => at(offset ?? 0, lines),
    resolve: (alias) => (isAlias(alias) ? alias.resolve(document) : alias),
    problems,
    nodes: 0,
  };
  const root = convert(document.contents, path, reading, 0);
  if (reading.problems.length > 0) throw new RecipeError(reading.problems);
  return root;
}

function convert(written: unknown, path: Path, reading: Reading, depth: number): Node {
  const place = reading.at((written as Ranged)?.range?.[0]);
  const node = reading.resolve(written);
  reading.nodes += 1;
  if (depth > DEEPEST || reading.nodes > MOST_NODES) {
    throw new RecipeError([{ place, text: `expected at most ${MOST_NODES} values, ${DEEPEST} deep, got more` }]);
  }
  if (node === undefined && isAlias(written)) {
    reading.problems.push({ place, text: `expected an anchor &${written.source} before its alias, got none` });
  }
  if (isMap(node)) return convertMap(node.items, { place, path }, reading, depth);
  if (isSeq(node)) {
    const items = node.items.map((item, i) => convert(item, [...path, i], reading, depth + 1));
    return { kind: "list", place, path, items };
  }
  return scalar(node, place, path, reading);
}

function convertMap(
  pairs: readonly { readonly key: unknown; readonly value: unknown }[],
  where: { readonly place: Place; readonly path: Path },
  reading: Reading,
  depth: number,
): MapNode {
  const entries = new Map<string, { key: Place; node: Node }>();
  for (const pair of pairs) {
    const key = reading.resolve(pair.key);
    const place = reading.at((pair.key as Ranged)?.range?.[0]);
    if (!isScalar(key)) {
      reading.problems.push({ place, text: "expected a plain name before the colon, got a list or map" });
      continue;
    }
    const name = String(key.value);
    entries.set(name, { key: place, node: convert(pair.value, [...where.path, name], reading, depth + 1) });
  }
  return { kind: "map", ...where, entries };
}

function scalar(node: unknown, place: Place, path: Path, reading: Reading): ScalarNode {
  const value: unknown = isScalar(node) ? node.value : null;
  const source = isScalar(node) ? node.source : undefined;
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) {
    return { kind: "scalar", place, path, value: value as ScalarNode["value"], source };
  }
  reading.problems.push({ place, text: `expected a string, number, true, false or null, got ${show(value)}` });
  return { kind: "scalar", place, path, value: null, source };
}
