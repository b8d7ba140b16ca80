import { UsageError } from "../util/errors.js";
import { native } from "./native.js";
import type { Tensor } from "./tensor.js";

/** Tensors made in each open scope, innermost last. */
const open: Set<Tensor>[] = [];

/** Called by every new tensor. */
export function adopt(tensor: Tensor): void {
  open.at(-1)?.add(tensor);
}

/** Called by a tensor that was disposed by hand. */
export function forget(tensor: Tensor): void {
  for (let i = open.length - 1; i >= 0; i--) if (open[i]?.delete(tensor)) return;
}

/**
 * Moves tensors out of the current scope: into the enclosing one or, with `{ forever: true }`, out of all scopes, to
 * an owner who disposes of them. Returns its argument.
 */
export function keep<T>(value: T, options: { readonly forever?: boolean } = {}): T {
  const outer = options.forever ? undefined : open.at(-2);
  for (const tensor of tensorsIn(value)) {
    if (options.forever) forget(tensor);
    else if (open.at(-1)?.delete(tensor)) outer?.add(tensor);
  }
  return value;
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
  const mine = new Set<Tensor>();
  open.push(mine);
  try {
    const result = fn();
    if (result instanceof Promise) {
      throw new UsageError("scope: expected a synchronous function, got one that returns a Promise");
    }
    keep(result);
    return result;
  } finally {
    open.pop();
    if (mine.size > 0) {
      const handles: number[] = [];
      for (const tensor of mine) {
        handles.push(tensor.handle);
        tensor.handle = 0;
      }
      native.releaseAll(handles);
    }
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
