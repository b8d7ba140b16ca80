import type { DType } from "../../torch/index.js";
import { DataError, expected } from "../../util/errors.js";
import type { Budget } from "./budget.js";

/** Where one tensor lies: `begin` and `end` count bytes from the first byte after the header. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface Header {
  readonly entries: readonly HeaderEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of one element. */
export const ELEMENT_SIZE: Readonly<Record<DType, number>> = {
  float64: 8,
  int64: 8,
  float32: 4,
  int32: 4,
  float16: 2,
  bfloat16: 2,
  int16: 2,
  uint8: 1,
  int8: 1,
  bool: 1,
};

/** Our dtypes under the format's names. */
export const FORMAT_NAME: Readonly<Record<DType, string>> = {
  float64: "F64",
  int64: "I64",
  float32: "F32",
  int32: "I32",
  float16: "F16",
  bfloat16: "BF16",
  int16: "I16",
  uint8: "U8",
  int8: "I8",
  bool: "BOOL",
};

const DTYPE: ReadonlyMap<string, DType> = new Map(
  Object.entries(FORMAT_NAME).map(([dtype, name]) => [name, dtype as DType]),
);

/** libtorch's own limit. */
const MAX_RANK = 64;

/** The key that holds free text, and so cannot name a tensor. */
export const METADATA_KEY = "__metadata__";

/** A position in the header's text; `where` names the file in errors. */
interface Cursor {
  readonly text: string;
  readonly where: string;
  readonly budget: Budget;
  at: number;
}

/** What a tensor, a side of its shape and a pair of metadata take in memory until the file is read, upwards, in bytes. */
const COST = { tensor: 1000, side: 16, pair: 256 } as const;

function fail(c: Cursor, what: string): never {
  const got = c.at < c.text.length ? c.text.slice(c.at, c.at + 40) : "the end of the header";
  throw headerError(`${c.where}: header, character ${c.at}`, what, got);
}

export function headerError(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/safetensors" });
}

function match(c: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = c.at;
  const found = pattern.exec(c.text)?.[0];
  if (found !== undefined) c.at += found.length;
  return found;
}

function skipSpace(c: Cursor): void {
  match(c, /[ \t\r\n]*/y);
}

function take(c: Cursor, mark: string): boolean {
  skipSpace(c);
  if (c.text[c.at] !== mark) return false;
  c.at++;
  return true;
}

function need(c: Cursor, mark: string): void {
  if (!take(c, mark)) fail(c, `"${mark}"`);
}

function string(c: Cursor): string {
  skipSpace(c);
  const start = c.at;
  if (c.text[start] !== '"') fail(c, "a string");
  let end = start + 1;
  while (end < c.text.length && c.text[end] !== '"') end += c.text[end] === "\\" ? 2 : 1;
  try {
    const value: unknown = JSON.parse(c.text.slice(start, end + 1));
    if (typeof value === "string" && !/\p{Surrogate}/u.test(value)) {
      c.at = end + 1;
      return value;
    }
  } catch {
    // A bad escape, a control character or no closing quote: reported below.
  }
  return fail(c, "a string of valid text");
}

function integer(c: Cursor): number {
  skipSpace(c);
  const start = c.at;
  const value = Number(match(c, /(?:0|[1-9]\d*)(?![.eE\d])/y) ?? "x");
  if (Number.isSafeInteger(value)) return value;
  c.at = start;
  return fail(c, "a whole number from 0 to 2^53 - 1");
}

/** Reads `{ "key": value, ... }`; `read` reads each value. A key that comes twice is an error: readers would differ on which counts. */
function object(c: Cursor, read: (key: string) => void): void {
  const seen = new Set<string>();
  need(c, "{");
  if (take(c, "}")) return;
  do {
    skipSpace(c);
    const start = c.at;
    const key = string(c);
    if (seen.has(key)) {
      c.at = start;
      fail(c, "each key once");
    }
    seen.add(key);
    need(c, ":");
    read(key);
  } while (take(c, ","));
  need(c, "}");
}

function integers(c: Cursor, most: number): number[] {
  const values: number[] = [];
  need(c, "[");
  if (take(c, "]")) return values;
  do {
    if (values.length === most) fail(c, `at most ${most} numbers`);
    values.push(integer(c));
  } while (take(c, ","));
  need(c, "]");
  return values;
}

function metadata(c: Cursor): Record<string, string> {
  const pairs: [string, string][] = [];
  object(c, (key) => {
    c.budget.charge(COST.pair);
    pairs.push([key, string(c)]);
  });
  return Object.fromEntries(pairs);
}

function dtypeNamed(name: string, where: string): DType {
  const dtype = DTYPE.get(name);
  if (dtype === undefined) throw headerError(where, `a dtype out of ${[...DTYPE.keys()].join(", ")}`, name);
  return dtype;
}

function tensorEntry(c: Cursor, name: string): HeaderEntry {
  const where = `${c.where}: tensor ${JSON.stringify(name)}`;
  let dtype: DType | undefined;
  let shape: number[] | undefined;
  let offsets: number[] | undefined;
  object(c, (key) => {
    if (key === "dtype") dtype = dtypeNamed(string(c), where);
    else if (key === "shape") shape = integers(c, MAX_RANK);
    else if (key === "data_offsets") offsets = integers(c, 2);
    else throw headerError(where, "only dtype, shape and data_offsets", key);
  });
  c.budget.charge(COST.tensor + COST.side * (shape?.length ?? 0));
  const [begin, end] = offsets ?? [];
  if (dtype === undefined || shape === undefined || begin === undefined || end === undefined) {
    throw headerError(where, "dtype, shape and two data_offsets", { dtype, shape, data_offsets: offsets });
  }
  const size = byteLength(dtype, shape);
  if (end - begin !== size) {
    throw headerError(where, `${size} bytes for ${dtype} [${shape}]`, `data_offsets [${begin}, ${end}]`);
  }
  return { name, dtype, shape, begin, end };
}

/** Bytes of a tensor; NaN when a side is negative or fractional, or the product passes 2^53 on the way (even to a later 0). */
export function byteLength(dtype: DType, shape: readonly number[]): number {
  let size = ELEMENT_SIZE[dtype];
  for (const side of shape) {
    size *= side >= 0 && Number.isSafeInteger(side) ? side : Number.NaN;
    if (!Number.isSafeInteger(size)) return Number.NaN;
  }
  return size;
}

/**
 * Parses the JSON header of a safetensors file: a grammar of its own, not `JSON.parse`, so that order and repeated keys are seen
 * and a hostile header (deep nesting, millions of objects) fails at its first odd character or when the budget is used up. `__metadata__`
 * maps strings to strings.
 */
export function parseHeader(text: string, where: string, budget: Budget): Header {
  const c: Cursor = { text, where, budget, at: 0 };
  const entries: HeaderEntry[] = [];
  let free: Record<string, string> = {};
  if (text[0] !== "{") fail(c, '"{"');
  object(c, (key) => {
    if (key === METADATA_KEY) free = metadata(c);
    else entries.push(tensorEntry(c, key));
  });
  skipSpace(c);
  if (c.at !== text.length) fail(c, "nothing but spaces after the closing brace");
  return { entries, metadata: free };
}

/** Checks that the tensors cover the data exactly: no overlap, no hole, nothing past the end, nothing left over. */
export function checkCoverage(entries: readonly HeaderEntry[], dataLength: number, where: string): void {
  let covered = 0;
  for (const entry of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== covered || entry.end > dataLength) {
      const what = `its bytes to begin at ${covered} and end by ${dataLength}`;
      throw headerError(`${where}: tensor ${JSON.stringify(entry.name)}`, what, `[${entry.begin}, ${entry.end}]`);
    }
    covered = entry.end;
  }
  if (covered !== dataLength) throw headerError(where, `${covered} bytes of data after the header`, dataLength);
}

/** The header as text, padded with spaces to a multiple of 8 bytes: tensors in the given order, metadata first, its keys sorted. */
export function formatHeader(header: Header): Uint8Array {
  const fields: string[] = [];
  const free = Object.entries(header.metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const pair = ([key, value]: readonly [string, string]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`;
  if (free.length > 0) fields.push(`"${METADATA_KEY}":{${free.map(pair).join(",")}}`);
  for (const { name, dtype, shape, begin, end } of header.entries) {
    const offsets = `"data_offsets":[${begin},${end}]`;
    fields.push(`${JSON.stringify(name)}:{"dtype":"${FORMAT_NAME[dtype]}","shape":[${shape.join(",")}],${offsets}}`);
  }
  const text = new TextEncoder().encode(`{${fields.join(",")}}`);
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  return padded;
}
