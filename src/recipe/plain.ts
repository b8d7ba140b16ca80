import { ratio } from "../util/index.js";
import { child, type Node } from "./tree.js";

type PlainMap = Record<string, unknown>;

function isMap(value: unknown): value is PlainMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The same value with `name` or `arch` first in every map, as people write it. */
export function tagFirst(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tagFirst);
  if (!isMap(value)) return value;
  const tag = ["name", "arch"].find((key) => key in value);
  const keys = tag === undefined ? Object.keys(value) : [tag, ...Object.keys(value).filter((key) => key !== tag)];
  return Object.fromEntries(keys.map((key) => [key, tagFirst(value[key])]));
}

/**
 * The same value with decimals exactly as they were written: a length such as `eps: 0.0310` is kept as text, but YAML
 * has read it as a number by then.
 */
export function asWritten(value: unknown, node: Node | undefined): unknown {
  if (Array.isArray(value)) return value.map((item, i) => asWritten(item, node && child(node, i)));
  if (isMap(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asWritten(inner, child(node, key))]));
  }
  if (typeof value !== "string" || node?.kind !== "scalar" || typeof node.value !== "number") return value;
  return isRatioOf(node.source, node.value) ? node.source : value;
}

function isRatioOf(source: string | undefined, value: number): boolean {
  try {
    return source !== undefined && ratio(source).value === value;
  } catch {
    return false;
  }
}
