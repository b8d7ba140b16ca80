import { pathText } from "../util/index.js";

/** Where something was written. */
export type Place =
  | { readonly file: string; readonly line: number; readonly column: number }
  | { readonly option: string };

export type Path = readonly (string | number)[];

interface Written {
  readonly place: Place;
  /** Path in the document as written, which merging does not change. */
  readonly path: Path;
}

export interface ScalarNode extends Written {
  readonly kind: "scalar";
  readonly value: string | number | boolean | null;
  /** The characters of the value, e.g. `0.0310` of the number 0.031. */
  readonly source: string | undefined;
}

export interface ListNode extends Written {
  readonly kind: "list";
  readonly items: readonly Node[];
}

export interface MapNode extends Written {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, { readonly key: Place; readonly node: Node }>;
}

/** A value that knows where it was written; merging keeps that, so an error points at the right line. */
export type Node = ScalarNode | ListNode | MapNode;

/** `recipe.yaml:3:7`, or the option that set the value. */
export function placeText(place: Place): string {
  return "option" in place ? place.option : `${place.file}:${place.line}:${place.column}`;
}

/** The plain value, without places. */
export function plain(node: Node): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(plain);
  return Object.fromEntries([...node.entries].map(([key, { node: inner }]) => [key, plain(inner)]));
}

export function child(node: Node | undefined, part: string | number): Node | undefined {
  if (node?.kind === "map") return node.entries.get(String(part))?.node;
  return node?.kind === "list" && typeof part === "number" ? node.items[part] : undefined;
}

/** A copy of a map with one entry set, or removed when `node` is undefined. */
export function withEntry(map: MapNode, key: string, node: Node | undefined, place?: Place): MapNode {
  const entries = new Map(map.entries);
  if (node === undefined) entries.delete(key);
  else entries.set(key, { key: place ?? entries.get(key)?.key ?? node.place, node });
  return { ...map, entries };
}

/** `name: pgd` or `arch: resnet18`: what picks a factory. */
function factory(map: MapNode): unknown {
  const tag = map.entries.get("name")?.node ?? map.entries.get("arch")?.node;
  return tag?.kind === "scalar" ? tag.value : undefined;
}

/**
 * `over` laid on `base`: maps are merged entry by entry, `null` removes an entry, everything else replaces. A map that
 * names another factory replaces the whole map too: the options of one are not those of the other.
 */
export function merge(base: Node | undefined, over: Node): Node {
  if (over.kind !== "map") return over;
  const named = factory(over);
  const other = base?.kind === "map" && named !== undefined && factory(base) !== undefined && factory(base) !== named;
  const from = base?.kind === "map" && !other ? base : undefined;
  const entries = new Map(from?.entries);
  for (const [key, { key: place, node }] of over.entries) {
    if (node.kind === "scalar" && node.value === null && base !== undefined) entries.delete(key);
    else entries.set(key, { key: place, node: merge(entries.get(key)?.node, node) });
  }
  return { ...over, entries };
}

/** Where to point for a path: at the value, at the key when `atKey`, or at what encloses it when it is missing. */
export function locate(root: Node, path: Path, atKey = false): { readonly place: Place; readonly path: Path } {
  let node = root;
  let place = root.place;
  for (const [i, part] of path.entries()) {
    const inner = child(node, part);
    if (inner === undefined) return { place, path: [...node.path, ...path.slice(i)] };
    const key = node.kind === "map" ? node.entries.get(String(part))?.key : undefined;
    const last = i === path.length - 1;
    place = last && !atKey ? inner.place : (key ?? inner.place);
    node = inner;
  }
  return { place, path: node.path };
}

/** A copy of a tree with the value at a path replaced; maps on the way are made when they are missing. */
export function setAt(root: Node | undefined, path: Path, value: Node, place: Place, done: Path = []): Node {
  const [part, ...rest] = path;
  if (part === undefined) return value;
  const here = [...done, part];
  if (typeof part === "number" && root?.kind === "list") {
    if (part >= root.items.length) throw new RangeError(pathText(here));
    return { ...root, items: root.items.map((item, i) => (i === part ? setAt(item, rest, value, place, here) : item)) };
  }
  const map: MapNode = root?.kind === "map" ? root : { kind: "map", place, path: done, entries: new Map() };
  return withEntry(map, String(part), setAt(child(map, String(part)), rest, value, place, here), place);
}
