import { signal } from "@preact/signals";
import type { RunSummary, RunsChange } from "../api.js";
import { follow } from "./live.js";

/** All runs by id, in the server's order; undefined until they have arrived. */
export const runs = signal<ReadonlyMap<string, RunSummary> | undefined>(undefined);

/** Ids that were chosen for comparison. */
export const chosen = signal<ReadonlySet<string>>(new Set());

export function choose(id: string, on: boolean): void {
  const next = new Set(chosen.value);
  if (on) next.add(id);
  else next.delete(id);
  chosen.value = next;
}

function apply({ first, changed, gone }: RunsChange): void {
  const next = new Map(first ? [] : runs.value);
  for (const id of gone) next.delete(id);
  for (const summary of changed) next.set(summary.id, summary);
  runs.value = next;
}

export function followRuns(): () => void {
  return follow(() => "/api/runs/stream", { runs: (data) => apply(JSON.parse(data) as RunsChange) });
}
