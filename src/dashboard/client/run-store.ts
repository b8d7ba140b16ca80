import { type Signal, signal } from "@preact/signals";
import type { RunEvent } from "../../run/events.js";
import type { RunDetail, RunSummary } from "../api.js";
import { addEvent } from "../run-log.js";
import { follow, get } from "./live.js";

/** A run that a page shows, kept up to date. */
export interface OpenRun {
  readonly detail: Signal<RunDetail | undefined>;
  readonly problem: Signal<string | undefined>;
  close(): void;
}

/** Loads a run and goes on with its events from where that ended. */
export function openRun(id: string): OpenRun {
  const detail = signal<RunDetail | undefined>(undefined);
  const problem = signal<string | undefined>(undefined);
  let stop = () => {};
  let closed = false;

  const handlers = {
    events(data: string, cursor: string) {
      if (detail.value === undefined) return;
      const { log } = detail.value;
      for (const event of JSON.parse(data) as RunEvent[]) addEvent(log, event);
      detail.value = { ...detail.value, log, cursor };
    },
    summary(data: string) {
      const summary = JSON.parse(data) as RunSummary;
      const before = detail.value?.summary.state;
      if (detail.value !== undefined) detail.value = { ...detail.value, summary };
      // Files, versions and problems are as of the moment when they were asked for.
      if (before !== undefined && before !== summary.state) void load();
    },
    reset: () => void load(),
    gone() {
      stop();
      problem.value = "This run is no longer there.";
    },
  };

  async function load(): Promise<void> {
    stop();
    try {
      const loaded = await get<RunDetail>(`/api/runs/${id}`);
      if (closed) return;
      detail.value = loaded;
      problem.value = undefined;
      stop();
      stop = follow(() => `/api/runs/${id}/stream?after=${detail.value?.cursor ?? ""}`, handlers);
    } catch (error) {
      problem.value = (error as Error).message;
    }
  }

  void load();
  return {
    detail,
    problem,
    close() {
      closed = true;
      stop();
    },
  };
}
