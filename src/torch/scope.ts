import { UsageError } from "../util/errors.js";
import { native } from "./native.js";
import type { Tensor } from "./tensor.js";

/** Tensors of all open scopes, in order of creation; `Tensor.scope` says which scope owns one by now. */
const owned: Tensor[] = [];
/** Where each open scope begins in `owned`, innermost last. */
const begins: number[] = [];

/**
 * The safety net under tensors that no scope owns: one that JavaScript lost is freed some time after. Those in scopes
 * are not in it, since V8 keeps whatever has a finaliser until its next full collection.
 */
const lost = new FinalizationRegistry<number>((handle) => native.release(handle));

function give(tensor: Tensor, depth: number): void {
  tensor.scope = depth;
  if (depth === 0) lost.register(tensor, tensor.handle);
}

/** Called by every new tensor. */
export function adopt(tensor: Tensor): void {
  give(tensor, begins.length);
  if (begins.length > 0) owned.push(tensor);
}

/**
 * Moves tensors out of the current scope: into the enclosing one or, with `{ forever: true }`, out of all scopes, to
 * an owner who disposes of them. Returns its argument.
 */
export function keep<T>(value: T, options: { readonly forever?: boolean } = {}): T {
  const depth = begins.length;
  for (const tensor of tensorsIn(value)) {
    if (tensor.scope === 0) continue;
    if (options.forever) give(tensor, 0);
    else if (tensor.scope === depth) give(tensor, depth - 1);
  }
  return value;
}

/** Ends the innermost scope: what it still owns is freed, what moved outwards stays with its new owner. */
function end(): void {
  const depth = begins.length;
  const begin = begins.pop() ?? 0;
  const handles: number[] = [];
  let kept = begin;
  for (let i = begin; i < owned.length; i++) {
    const tensor = owned[i] as Tensor;
    if (tensor.scope === depth) {
      handles.push(tensor.handle);
      tensor.handle = 0;
      tensor.scope = 0;
    } else if (tensor.scope > 0) owned[kept++] = tensor;
  }
  // Emptied before it is cut: what was cut off may stand in V8's old generation, where it would keep them alive.
  owned.fill(undefined as never, kept);
  owned.length = kept;
  if (handles.length > 0) native.releaseAll(handles);
}

/** Every tensor in a result: itself, or in arrays, maps, sets and plain records, at any depth. */
function tensorsIn(value: unknown, found: Set<Tensor> = new Set()): Set<Tensor> {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return found;
  if (isTensor(value)) found.add(value);
  else if (Array.isArray(value) || value instanceof Set) for (const entry of value) tensorsIn(entry, found);
  else if (value instanceof Map) for (const entry of value.values()) tensorsIn(entry, found);
  else if (isRecord(value)) for (const entry of Object.values(value)) tensorsIn(entry, found);
  return found;
}

function isTensor(value: object): value is Tensor {
  return "handle" in value && "isDisposed" in value;
}

function isRecord(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/**
 * Runs `fn` and frees every tensor made inside, except those it returns (directly, or in arrays, maps, sets and plain
 * records), which move to the enclosing scope. A returned Promise is an error: scopes are synchronous.
 */
export function scope<T>(fn: () => T): T {
  begins.push(owned.length);
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new UsageError("scope: expected a synchronous function, got one that returns a Promise");
    }
    return keep(result);
  } finally {
    end();
  }
}

/** How many tensors are alive in this thread: the same before and after anything that does not leak. */
export function liveTensors(): number {
  return native.liveTensors();
}

/** Bytes behind the live tensors of this thread; memory that several tensors share is counted once. */
export function liveBytes(): number {
  return native.liveBytes();
}
