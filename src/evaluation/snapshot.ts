import { existsSync, rmSync } from "node:fs";
import { z } from "zod";
import type { SearchState } from "../attacks/index.js";
import { loadTensors, saveTensors } from "../nn/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { DataError } from "../util/index.js";
import type { SearchPlace, Snapshot } from "./journal.js";

const STATE = "state.";
const POINTS = "points";

const placed = z.strictObject({
  place: z.strictObject({ attack: z.string(), run: z.string(), block: z.int(), part: z.int() }),
  step: z.int(),
  rows: z.array(z.int()),
  broken: z.array(z.int()),
  steps: z.array(z.int()),
  zeroGradient: z.array(z.int()),
  spent: z.strictObject({ passes: z.tuple([z.int(), z.int()]), seconds: z.number() }),
  /** Tensors laid out as [N,H,W,C]: a convolution's last bits may depend on it. */
  channelsLast: z.array(z.string()),
});

/** Writes a search in progress, atomically and with a checksum. */
export function saveSnapshot(path: string, place: SearchPlace, { progress, zeroGradient, spent }: Snapshot): void {
  const { state, rows, outcome, step } = progress;
  const entries = Object.entries(state).map(([name, value]) => [STATE + name, value] as const);
  const tensors = new Map<string, Tensor>([...entries, [POINTS, outcome.points]]);
  const described: z.output<typeof placed> = {
    place,
    step,
    rows: [...rows],
    broken: [...outcome.broken],
    steps: [...outcome.steps],
    zeroGradient: [...zeroGradient],
    spent: { passes: [...spent.passes], seconds: spent.seconds },
    channelsLast: [...tensors].filter(([, t]) => t.shape.length === 4 && t.isChannelsLast).map(([name]) => name),
  };
  saveTensors(path, tensors, { search: JSON.stringify(described) });
}

/** The search that a snapshot holds, where it is the one of this place; its tensors belong to the caller's scope. */
export function loadSnapshot(path: string, place: SearchPlace): Snapshot | undefined {
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = loadTensors(path);
  try {
    const parsed = placed.safeParse(JSON.parse(metadata.search ?? "null"));
    if (!parsed.success) throw new DataError(`${path}: expected a search in progress, got other contents`);
    const { place: at, step, rows, broken, steps, zeroGradient, spent, channelsLast } = parsed.data;
    if (JSON.stringify(at) !== JSON.stringify(place)) return undefined;
    return scope(() => {
      const copies = Array.from(tensors, ([name, t]): [string, Tensor] => {
        const memoryFormat = channelsLast.includes(name) ? "channels_last" : "contiguous";
        return [name, ops.clone(ops.contiguous(t, { memoryFormat }))];
      });
      const named = new Map(copies);
      const state = Object.fromEntries(
        copies.filter(([name]) => name.startsWith(STATE)).map(([name, t]) => [name.slice(STATE.length), t]),
      ) as unknown as SearchState;
      const outcome = {
        broken: Uint8Array.from(broken),
        steps: Int32Array.from(steps),
        points: named.get(POINTS) as Tensor,
      };
      return { progress: { step, state, rows: Int32Array.from(rows), outcome }, zeroGradient, spent };
    });
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

export function removeSnapshot(path: string): void {
  rmSync(path, { force: true });
}
