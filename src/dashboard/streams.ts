// Server-sent events. A stream of a run sends the log's events in order; the id of each message is the place in the log behind
// it, so a browser that lost the connection goes on there (Last-Event-ID): nothing is lost and nothing comes twice.
import type { Context } from "hono";
import { type SSEStreamingApi, streamSSE } from "hono/streaming";
import { eventReader } from "../run/index.js";
import type { RunsChange } from "./api.js";
import { isInside } from "./folders.js";
import { refuse } from "./guard.js";
import type { RunIndex } from "./run-index.js";
import { isSound } from "./sound-events.js";
import type { Workspace } from "./workspace.js";

/** Bytes of the log in one message. */
const MESSAGE_BYTES = 256 * 1024;
/** So often something is sent, so that a connection that is dead is noticed. */
const BEAT_MS = 15_000;

type Tick = (stream: SSEStreamingApi) => Promise<boolean>;

export interface StreamOptions {
  /** Milliseconds between two looks at the disk. */
  readonly pollMs: number;
  readonly mostStreams: number;
}

/** The list of runs: all of them first, then what changed. */
function listTick(workspace: Workspace): Tick {
  let sent: Map<string, string> | undefined;
  return async (stream) => {
    const now = new Map(workspace.summaries().map((each) => [each.id, JSON.stringify(each)]));
    const changed = [...now].filter(([id, text]) => sent?.get(id) !== text).map(([, text]) => text);
    const gone = [...(sent?.keys() ?? [])].filter((id) => !now.has(id));
    if (sent === undefined || changed.length + gone.length > 0) {
      const change: Omit<RunsChange, "changed"> = { first: sent === undefined, gone };
      const data = `${JSON.stringify(change).slice(0, -1)},"changed":[${changed.join(",")}]}`;
      await stream.writeSSE({ event: "runs", data });
    }
    sent = now;
    return true;
  };
}

/** The events of a run behind a cursor, and its summary when that changes. */
function runTick(workspace: Workspace, { found }: RunIndex, after: string | undefined): Tick {
  const reader = eventReader(found.folder, { after, most: MESSAGE_BYTES, onDamaged: () => undefined });
  let summary = "";
  return async (stream) => {
    const index = workspace.run(found.id);
    if (index === undefined) {
      await stream.writeSSE({ event: "gone", data: "" });
      return false;
    }
    while (isInside(found, "events.jsonl") && !stream.aborted) {
      const before = reader.offset;
      const { events, restarted } = reader.poll();
      if (restarted) {
        // What the page has is of a log that is no more: it must begin anew.
        await stream.writeSSE({ event: "reset", data: "" });
        return false;
      }
      if (reader.offset === before) break;
      await stream.writeSSE({ event: "events", data: JSON.stringify(events.filter(isSound)), id: reader.cursor });
    }
    const text = JSON.stringify(index.summary());
    if (text !== summary) await stream.writeSSE({ event: "summary", data: text });
    summary = text;
    return true;
  };
}

/** Streams that are open, and no more than allowed. */
export function streams({ pollMs, mostStreams }: StreamOptions) {
  let open = 0;

  /** Calls `tick` until it says that it is over or the reader is gone. */
  function follow(c: Context, tick: Tick) {
    if (open >= mostStreams) {
      c.header("Retry-After", "5");
      return refuse(c, 503, `at most ${mostStreams} streams at once: close some pages`);
    }
    open++;
    let held = true;
    const release = () => {
      if (held) open--;
      held = false;
    };
    return streamSSE(c, async (stream) => {
      // A write to a reader that left may never end, so its going away counts by itself.
      stream.onAbort(release);
      try {
        let beat = performance.now();
        await stream.write("retry: 1000\n\n");
        while (!stream.aborted && !stream.closed && (await tick(stream))) {
          if (performance.now() - beat > BEAT_MS) {
            await stream.write(": still here\n\n");
            beat = performance.now();
          }
          await stream.sleep(pollMs);
        }
      } finally {
        release();
        await stream.close();
      }
    });
  }

  return {
    list: (c: Context, workspace: Workspace) => follow(c, listTick(workspace)),
    run: (c: Context, workspace: Workspace, run: RunIndex) =>
      follow(c, runTick(workspace, run, c.req.header("last-event-id") ?? c.req.query("after"))),
  };
}
