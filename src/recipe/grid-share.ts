// Several processes may run one grid: each takes a cell that no other works on, by the lock of the cell's run folder.
import { setTimeout as pause } from "node:timers/promises";
import { type Lock, lockFolder } from "../run/index.js";
import { makeFolder, S2apError } from "../util/index.js";

/** The lock of a folder, made if need be; undefined where another process holds it. */
export function lockIfFree(folder: string): Lock | undefined {
  makeFolder(folder);
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof S2apError && error.code === "usage/locked") return undefined;
    throw error;
  }
}

/** Tells others that a folder is in use, as long as one of those that work in it does. */
export function presence(folder: string): Disposable & { renew(): void } {
  let lock: Lock | undefined;
  const renew = () => {
    lock ??= lockIfFree(folder);
  };
  renew();
  return { renew, [Symbol.dispose]: () => lock?.[Symbol.dispose]() };
}

/** Waits until `take` gives something. `poll`, once a second, may throw; `onWait` is told once, if there is a wait. */
export async function whenFree<T>(
  take: () => T | undefined,
  { poll, onWait }: { readonly poll: () => void; readonly onWait: () => void },
): Promise<T> {
  for (let waited = 0; ; waited++) {
    const taken = take();
    if (taken !== undefined) return taken;
    if (waited === 0) onWait();
    poll();
    await pause(1000);
  }
}
