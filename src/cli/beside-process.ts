// A process that does one job for the one that started it: the order is its first message, what the job tells goes back.
import type { BesideMessage } from "./beside.js";
import { toFailure } from "./failure.js";
import type { Message } from "./jobs.js";
import { isSet, SIGNAL_CODES, stopFlag } from "./signals.js";
import { work } from "./work.js";

const flag = stopFlag();
const stop = () => Atomics.store(flag, 0, 1);
const tell = (message: Message) => process.send?.(message, undefined, undefined, () => {});

// A terminal's Ctrl-C goes to all its processes; how often, and what that means, is for the one that started this to say.
for (const signal of Object.keys(SIGNAL_CODES)) process.on(signal, stop);

// Left alone: with nothing more to do, or to save the state, or at once where it was being saved already.
process.on("disconnect", () => {
  if (isSet(flag)) process.kill(process.pid, "SIGKILL");
  stop();
});

process.on("message", (message: BesideMessage) => {
  if (message === "stop") return stop();
  const { job, options, plugins, threads } = message;
  return work(job, options, { flag, plugins, threads, onReport: tell }).then(
    (result) => tell({ kind: "done", result }),
    (error: unknown) => tell({ kind: "failed", failure: toFailure(error) }),
  );
});
