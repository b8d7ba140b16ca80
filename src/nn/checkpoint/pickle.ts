// A reader of Python's pickles that knows data only: protocols 2 to 4, every global from the host's list, and no way to run code. A
// pickle is a program for a stack machine; ours has the opcodes that data needs, counts the memory that they take and refuses the rest.
import { DataError, expected } from "../../util/errors.js";
import type { ByteSource } from "../../util/source.js";

/** A class or function that a pickle names and the host allows. */
export class Global {
  readonly name: string;
  /** What `name(*args)` gives. */
  readonly call: ((args: readonly unknown[]) => unknown) | undefined;

  constructor(name: string, call?: (args: readonly unknown[]) => unknown) {
    this.name = name;
    this.call = call;
  }
}

/** What the pickle is allowed. */
export interface PickleHost {
  /** Names the pickle in errors. */
  readonly where: string;
  /** Counts bytes that values take; throws beyond the bound. */
  charge(bytes: number): void;
  /** A Global, or the value that the name stands for; throws for a name that is not on the list. */
  global(module: string, name: string): unknown;
  /** A value that lies outside the pickle, such as a storage. */
  persistent(id: unknown): unknown;
  /** Gives a new object its state; false when this value takes none. */
  build(value: unknown, state: unknown): boolean;
}

/** Costs of values in memory, upwards of what V8 needs, in bytes. */
export const COST = { number: 16, array: 64, slot: 16, map: 256, pair: 80, memo: 80, object: 200 } as const;

export function badPickle(where: string, what: string, got: unknown): DataError {
  return new DataError(expected(where, what, got), { code: "data/pickle" });
}

interface Machine {
  readonly host: PickleHost;
  readonly source: ByteSource;
  /** A part of the source, where it begins there, and how much of it is used up. */
  window: Buffer;
  windowAt: number;
  used: number;
  readonly stack: unknown[];
  /** Where the items since each open mark begin. */
  readonly marks: number[];
  readonly memo: Map<number, unknown>;
  /** The most values that were on the stack at once. */
  deepest: number;
}

function fail(m: Machine, what: string, got: unknown): never {
  throw badPickle(`${m.host.where}: pickle, byte ${m.windowAt + m.used}`, what, got);
}

const WINDOW = 1 << 20;

function take(m: Machine, length: number): Buffer {
  if (length > m.window.length - m.used) {
    const at = m.windowAt + m.used;
    const left = m.source.length - at;
    if (!(length <= left)) fail(m, `${length} more bytes`, `${left}: it is cut short or damaged`);
    m.window = m.source.read(at, Math.min(left, Math.max(length, WINDOW)));
    m.windowAt = at;
    m.used = 0;
  }
  m.used += length;
  return m.window.subarray(m.used - length, m.used);
}

const u1 = (m: Machine) => take(m, 1).readUInt8();
const u2 = (m: Machine) => take(m, 2).readUInt16LE();
const i4 = (m: Machine) => take(m, 4).readInt32LE();
const u4 = (m: Machine) => take(m, 4).readUInt32LE();
const u8 = (m: Machine) => Number(take(m, 8).readBigUInt64LE());

const LONGEST_NAME = 1000;

function line(m: Machine): string {
  const bytes: number[] = [];
  for (let byte = u1(m); byte !== 10; byte = u1(m)) {
    if (bytes.push(byte) > LONGEST_NAME) fail(m, `a name of at most ${LONGEST_NAME} bytes and a newline`, "more");
  }
  return Buffer.from(bytes).toString("utf8");
}

function push(m: Machine, value: unknown): void {
  m.stack.push(value);
  if (m.stack.length <= m.deepest) return;
  m.deepest = m.stack.length;
  m.host.charge(24);
}

/** What lies on the stack above the last open mark, down to `floor` of them. */
function pop(m: Machine): unknown {
  if (m.stack.length <= (m.marks.at(-1) ?? 0)) fail(m, "a value on the stack", "none");
  return m.stack.pop();
}

function top(m: Machine): unknown {
  if (m.stack.length <= (m.marks.at(-1) ?? 0)) fail(m, "a value on the stack", "none");
  return m.stack.at(-1);
}

function items(m: Machine): unknown[] {
  const from = m.marks.pop();
  if (from === undefined) fail(m, "an open mark", "none");
  return m.stack.splice(from);
}

function pushArray(m: Machine, values: unknown[]): void {
  m.host.charge(COST.array + COST.slot * values.length);
  push(m, values);
}

/** The last `count` values as a tuple; tuples are arrays. */
function tuple(m: Machine, count: number): void {
  const values = Array.from({ length: count }, () => pop(m)).reverse();
  pushArray(m, values);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function text(m: Machine, length: number): void {
  const bytes = take(m, length);
  m.host.charge(32 + 2 * length);
  try {
    push(m, UTF8.decode(bytes));
  } catch {
    fail(m, "text in UTF-8", "other bytes");
  }
}

/** Python 2's `str`: names in ASCII, or bytes. */
function oldText(m: Machine, length: number): void {
  m.host.charge(32 + 2 * length);
  push(m, take(m, length).toString("latin1"));
}

function binary(m: Machine, length: number): void {
  m.host.charge(COST.object + length);
  push(m, new Uint8Array(take(m, length)));
}

const LONGEST_INTEGER = 1024;

function long(m: Machine, length: number): void {
  if (length > LONGEST_INTEGER) fail(m, `a whole number of at most ${LONGEST_INTEGER} bytes`, length);
  m.host.charge(COST.number + length);
  const hex = Buffer.from(take(m, length)).reverse().toString("hex");
  const value = hex === "" ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
  const small = Number(value);
  push(m, Number.isSafeInteger(small) ? small : value);
}

function number(m: Machine, value: number): void {
  m.host.charge(COST.number);
  push(m, value);
}

function append(m: Machine, values: readonly unknown[], target: unknown): void {
  if (target instanceof Set) {
    m.host.charge(COST.pair * values.length);
    for (const value of values) target.add(value);
    return;
  }
  if (!Array.isArray(target)) fail(m, "a list to append to", kindOf(target));
  m.host.charge(COST.slot * values.length);
  for (const value of values) target.push(value);
}

function setItems(m: Machine, values: readonly unknown[], target: unknown): void {
  if (!(target instanceof Map)) fail(m, "a dict to set items of", kindOf(target));
  if (values.length % 2 !== 0) fail(m, "a value for each key", `${values.length} keys and values`);
  m.host.charge(COST.pair * (values.length / 2));
  for (let i = 0; i < values.length; i += 2) target.set(values[i], values[i + 1]);
}

/** What a value is, in a word or two; never its contents, which may be endless. */
export function kindOf(value: unknown): string {
  if (value instanceof Global) return value.name;
  if (value instanceof Map) return "a dict";
  if (Array.isArray(value)) return "a list or tuple";
  if (value instanceof Uint8Array) return "bytes";
  if (typeof value === "string") return `"${value.slice(0, 80)}"`;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint")
    return String(value).slice(0, 80);
  return value === null ? "None" : "another object";
}

function pushMap(m: Machine, values: readonly unknown[]): void {
  m.host.charge(COST.map);
  const map = new Map();
  push(m, map);
  setItems(m, values, map);
}

function pushSet(m: Machine, values: readonly unknown[]): void {
  m.host.charge(COST.map);
  const set = new Set();
  push(m, set);
  append(m, values, set);
}

function call(m: Machine, callee: unknown, args: unknown): void {
  if (!(callee instanceof Global)) fail(m, "a class or function to call", kindOf(callee));
  if (!Array.isArray(args)) fail(m, `arguments of ${callee.name}`, kindOf(args));
  if (callee.call === undefined) fail(m, `no call of ${callee.name}`, "one");
  m.host.charge(COST.object);
  push(m, callee.call(args));
}

function named(m: Machine, module: unknown, name: unknown): void {
  if (typeof module !== "string" || typeof name !== "string") fail(m, "a module's and a class's name", kindOf(name));
  push(m, m.host.global(module, name));
}

function build(m: Machine, state: unknown): void {
  const target = top(m);
  if (!m.host.build(target, state)) fail(m, "a state only for objects that take one", kindOf(target));
}

function memoize(m: Machine, key: number): void {
  if (!m.memo.has(key)) m.host.charge(COST.memo);
  m.memo.set(key, top(m));
}

function recall(m: Machine, key: number): void {
  if (!m.memo.has(key)) fail(m, "a value that was stored before", `number ${key}`);
  push(m, m.memo.get(key));
}

type Op = (m: Machine) => void;

const PROTO = 0x80;
const STOP = 0x2e;

const NUMBERS_AND_TEXT: readonly (readonly [number, Op])[] = [
  [PROTO, (m) => version(m, u1(m))],
  [0x95, (m) => void take(m, 8)], // FRAME: how far to read ahead
  [0x4e, (m) => push(m, null)], // NONE
  [0x88, (m) => push(m, true)], // NEWTRUE
  [0x89, (m) => push(m, false)], // NEWFALSE
  [0x4a, (m) => number(m, i4(m))], // BININT
  [0x4b, (m) => push(m, u1(m))], // BININT1
  [0x4d, (m) => push(m, u2(m))], // BININT2
  [0x8a, (m) => long(m, u1(m))], // LONG1
  [0x8b, (m) => long(m, u4(m))], // LONG4
  [0x47, (m) => number(m, take(m, 8).readDoubleBE())], // BINFLOAT
  [0x8c, (m) => text(m, u1(m))], // SHORT_BINUNICODE
  [0x58, (m) => text(m, u4(m))], // BINUNICODE
  [0x8d, (m) => text(m, u8(m))], // BINUNICODE8
  [0x55, (m) => oldText(m, u1(m))], // SHORT_BINSTRING
  [0x54, (m) => oldText(m, u4(m))], // BINSTRING
  [0x43, (m) => binary(m, u1(m))], // SHORT_BINBYTES
  [0x42, (m) => binary(m, u4(m))], // BINBYTES
  [0x8e, (m) => binary(m, u8(m))], // BINBYTES8
];

const STACK_AND_CONTAINERS: readonly (readonly [number, Op])[] = [
  [0x30, (m) => void pop(m)], // POP
  [0x31, (m) => void items(m)], // POP_MARK
  [0x32, (m) => push(m, top(m))], // DUP
  [0x28, (m) => mark(m)], // MARK
  [0x5d, (m) => pushArray(m, [])], // EMPTY_LIST
  [0x29, (m) => pushArray(m, [])], // EMPTY_TUPLE
  [0x6c, (m) => pushArray(m, items(m))], // LIST
  [0x74, (m) => pushArray(m, items(m))], // TUPLE
  [0x85, (m) => tuple(m, 1)], // TUPLE1
  [0x86, (m) => tuple(m, 2)], // TUPLE2
  [0x87, (m) => tuple(m, 3)], // TUPLE3
  [0x61, (m) => append(m, [pop(m)], top(m))], // APPEND
  [0x65, (m) => append(m, items(m), top(m))], // APPENDS
  [0x7d, (m) => pushMap(m, [])], // EMPTY_DICT
  [0x64, (m) => pushMap(m, items(m))], // DICT
  [0x73, (m) => setItems(m, [pop(m), pop(m)].reverse(), top(m))], // SETITEM
  [0x75, (m) => setItems(m, items(m), top(m))], // SETITEMS
  [0x8f, (m) => pushSet(m, [])], // EMPTY_SET
  [0x90, (m) => append(m, items(m), top(m))], // ADDITEMS
  [0x91, (m) => pushSet(m, items(m))], // FROZENSET
];

const OBJECTS: readonly (readonly [number, Op])[] = [
  [0x71, (m) => memoize(m, u1(m))], // BINPUT
  [0x72, (m) => memoize(m, u4(m))], // LONG_BINPUT
  [0x94, (m) => memoize(m, m.memo.size)], // MEMOIZE
  [0x68, (m) => recall(m, u1(m))], // BINGET
  [0x6a, (m) => recall(m, u4(m))], // LONG_BINGET
  [0x63, (m) => named(m, line(m), line(m))], // GLOBAL
  [0x93, (m) => named(m, ...([pop(m), pop(m)].reverse() as [unknown, unknown]))], // STACK_GLOBAL
  [0x51, (m) => push(m, m.host.persistent(pop(m)))], // BINPERSID
  [0x52, (m) => call(m, ...([pop(m), pop(m)].reverse() as [unknown, unknown]))], // REDUCE
  [0x81, (m) => call(m, ...([pop(m), pop(m)].reverse() as [unknown, unknown]))], // NEWOBJ
  [0x62, (m) => build(m, pop(m))], // BUILD
];

const OPS: ReadonlyMap<number, Op> = new Map([...NUMBERS_AND_TEXT, ...STACK_AND_CONTAINERS, ...OBJECTS]);

function version(m: Machine, protocol: number): void {
  if (protocol < 2 || protocol > 4) fail(m, "a pickle of protocol 2, 3 or 4", `protocol ${protocol}`);
}

/** Each is a container that is not finished: values are far less deep. */
const MOST_MARKS = 1000;

function mark(m: Machine): void {
  if (m.marks.length === MOST_MARKS) fail(m, `at most ${MOST_MARKS} open marks`, "more");
  m.marks.push(m.stack.length);
}

/** Runs the pickle that begins at `from`; `end` is where the next one would begin. Any oddity is a DataError. */
export function unpickle(
  source: ByteSource,
  from: number,
  host: PickleHost,
): { readonly value: unknown; readonly end: number } {
  const place = { source, window: Buffer.alloc(0), windowAt: from, used: 0 };
  const m: Machine = { host, ...place, stack: [], marks: [], memo: new Map(), deepest: 0 };
  const first = u1(m);
  if (first !== PROTO) fail(m, "a pickle of protocol 2, 3 or 4", `first byte ${first}`);
  version(m, u1(m));
  for (let code = u1(m); code !== STOP; code = u1(m)) {
    const op = OPS.get(code);
    if (op === undefined) fail(m, "an opcode that data needs", `0x${code.toString(16).padStart(2, "0")}`);
    op(m);
  }
  const value = pop(m);
  if (m.stack.length > 0 || m.marks.length > 0) fail(m, "one value at the end", `${m.stack.length + 1}`);
  return { value, end: m.windowAt + m.used };
}
