import { type Signal, signal } from "@preact/signals";
import type { RunDetail, RunSummary, RunsChange } from "../api.js";
import { follow, get } from "./live.js";

/** A run as it was when it was last asked for. */
export interface Compared {
  readonly detail: RunDetail | undefined;
  readonly problem: string | undefined;
}

/** Some runs kept up to date; `runs` in the order of the ids. */
export interface OpenComparison {
  readonly runs: Signal<readonly Compared[]>;
  close(): void;
}

/** So often a run that goes on is asked for anew. */
const AGAIN_MS = 2000;

/**
 * Loads runs, and those anew that the list's stream tells of. A stream for each would hold all of the few connections that a browser
 * opens to one host.
 */
export function openComparison(ids: readonly string[]): OpenComparison {
  const runs = signal<readonly Compared[]>(ids.map(() => ({ detail: undefined, problem: undefined })));
  const stale = new Set(ids);
  let closed = false;
  let timer: number | undefined;

  async function load(id: string): Promise<void> {
    const before = runs.value[ids.indexOf(id)];
    const now = await get<RunDetail>(`/api/runs/${id}`).then(
      (detail): Compared => ({ detail, problem: undefined }),
      (error: Error): Compared => ({ detail: before?.detail, problem: error.message }),
    );
    if (!closed) runs.value = runs.value.map((each, at) => (ids[at] === id ? now : each));
  }

  async function loadStale(): Promise<void> {
    const wanted = [...stale];
    stale.clear();
    await Promise.all(wanted.map(load));
    if (!closed) timer = window.setTimeout(() => void loadStale(), AGAIN_MS);
  }

  const shown = (id: string): RunSummary | undefined => runs.value[ids.indexOf(id)]?.detail?.summary;
  const stop = follow(() => "/api/runs/stream", {
    runs(data) {
      const { first, changed, gone } = JSON.parse(data) as RunsChange;
      for (const summary of changed) {
        const { id, lastAt, state } = summary;
        const before = shown(id);
        if (ids.includes(id) && !(first && before?.lastAt === lastAt && before.state === state)) stale.add(id);
      }
      for (const id of gone) if (ids.includes(id)) stale.add(id);
    },
  });
  void loadStale();
  return {
    runs,
    close() {
      closed = true;
      window.clearTimeout(timer);
      stop();
    },
  };
}
