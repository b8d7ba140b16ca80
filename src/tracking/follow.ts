import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type EventReader, eventReader } from "../run/index.js";
import type { OpenSink, Sink, Source } from "./sink.js";

/** The run folders in a folder: itself, and those one level below. None when it is not there yet. */
export function runFolders(root: string): string[] {
  const isRun = (folder: string) => existsSync(join(folder, "run.json"));
  const own = isRun(root) ? [root] : [];
  if (!existsSync(root)) return own;
  const below = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [
    ...own,
    ...below
      .map(({ name }) => join(root, name))
      .filter(isRun)
      .sort(),
  ];
}

/** How trackers name a run folder: by its own name, and as an experiment by that of the folder it lies in. */
export function sourceOf(folder: string): Source {
  const path = resolve(folder);
  return { folder, name: basename(path), experiment: basename(dirname(path)) || "s2ap" };
}

interface Followed {
  readonly source: Source;
  readonly reader: EventReader;
  readonly sinks: Set<Sink>;
  begun: boolean;
}

export interface FollowOptions {
  /** Told of what went wrong, once for each tracker of a run; the run goes on. */
  readonly onWarning: (text: string) => void;
  /** Milliseconds between two looks at the logs; default 1000. */
  readonly everyMs?: number;
}

/** Something that reads along. */
export interface Follower {
  /** Looks now. */
  poll(): void;
  /** Looks a last time and waits until the sinks are done. */
  close(): Promise<void>;
}

function why(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function begin(folder: string, open: readonly OpenSink[], onWarning: FollowOptions["onWarning"]): Followed {
  const source = sourceOf(folder);
  const sinks = open.flatMap((make) => {
    try {
      return [make(source, onWarning)];
    } catch (error) {
      onWarning(why(error));
      return [];
    }
  });
  return { source, reader: eventReader(folder), sinks: new Set(sinks), begun: false };
}

/** Gives sinks what runs in a folder log, be it in this process or another. It reads files only: a run does not know of it. */
export function follow(root: string, open: readonly OpenSink[], options: FollowOptions): Follower {
  const { onWarning, everyMs = 1000 } = options;
  const followed = new Map<string, Followed>();

  function look(run: Followed): void {
    if (run.sinks.size === 0) return;
    const { events, restarted } = run.reader.poll();
    const whole = restarted || !run.begun;
    if (events.length === 0 && !restarted) return;
    run.begun = true;
    for (const sink of run.sinks) {
      try {
        sink.write(events, whole);
      } catch (error) {
        run.sinks.delete(sink);
        onWarning(`${run.source.name}: no more is written to ${sink.name}: ${why(error)}`);
      }
    }
  }

  function poll(): void {
    try {
      for (const folder of runFolders(root))
        if (!followed.has(folder)) followed.set(folder, begin(folder, open, onWarning));
    } catch (error) {
      onWarning(why(error));
    }
    for (const run of followed.values()) {
      try {
        look(run);
      } catch (error) {
        run.sinks.clear();
        onWarning(`${run.source.name}: its events are followed no more: ${why(error)}`);
      }
    }
  }

  const timer = setInterval(poll, everyMs);
  poll();
  return {
    poll,
    async close() {
      clearInterval(timer);
      poll();
      const closing = [...followed.values()].flatMap(({ sinks }) => [...sinks].map((sink) => sink.close()));
      for (const result of await Promise.allSettled(closing)) {
        if (result.status === "rejected") onWarning(why(result.reason));
      }
    },
  };
}
