// How many threads a pass gets. Every operator wakes and awaits its threads, which in a small pass takes longer than they
// save: then one thread is faster, and leaves the others to other processes.
import type { Victim } from "../attacks/index.js";
import { type LocalNetwork, type Model, multiplications } from "../models/index.js";
import { setThreads, threads } from "../torch/index.js";

/** Multiplications of a forward pass that are worth a thread: measured with networks of 1 to 35 million an image. */
const THREAD = 5e8;

export interface Pace {
  /** The same network, each of its passes (and the backward pass after it) with as many threads as it is worth. */
  paced(victim: Victim): Victim;
  /** Gives later work all threads again. */
  restore(): void;
}

/** Threads by work, up to those there are now. A network that cannot be counted gets them all. */
export function paceOf(model: Model): Pace {
  const all = threads();
  const work = all > 1 ? multiplications(model) : 0;
  if (work === 0) return { paced: (victim) => victim, restore: () => undefined };
  const pace = (images: number) => setThreads(Math.min(all, Math.max(1, Math.floor((images * work) / THREAD))));
  return {
    paced: (victim) => ({
      passes: victim.passes,
      local: victim.local && pacedLocal(victim.local, pace),
      logits(x) {
        pace(x.shape[0] ?? 1);
        return victim.logits(x);
      },
    }),
    restore: () => setThreads(all),
  };
}

/** Local passes with the threads of whole ones. */
function pacedLocal(local: LocalNetwork, pace: (images: number) => void): LocalNetwork {
  return {
    saves: (side, images) => local.saves(side, images),
    knowing(x) {
      const known = local.knowing(x);
      return {
        learn: (images, rows) => known.learn(images, rows),
        logits(images, rows, squares) {
          pace(rows.length);
          return known.logits(images, rows, squares);
        },
        [Symbol.dispose]: () => known[Symbol.dispose](),
      };
    },
  };
}
