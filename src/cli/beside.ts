// Jobs that share their work among themselves, such as the cells of a grid, in processes side by side.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { JobError, toFailure } from "./failure.js";
import type { Message } from "./jobs.js";
import { isSet, stopFlag } from "./signals.js";
import { threadBudget, type Work } from "./work.js";

/** What another process is asked to do. */
export interface BesideOrder {
  readonly job: string;
  readonly options: unknown;
  readonly plugins: readonly string[];
  readonly threads: number | undefined;
}

export type BesideMessage = BesideOrder | "stop";

/** How often a process is told of a stop that was asked for here, in milliseconds. */
const POLL = 200;

/** Does a job in a process of its own, as `work` does in a thread of this one. Throws JobError when it fails. */
const workBeside: Work = (job, options, { flag, plugins = [], threads, onReport } = {}) => {
  const child = fork(fileURLToPath(new URL("./beside-process.js", import.meta.url)), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    // As between threads: JSON has no NaN.
    serialization: "advanced",
  });
  const send = (message: BesideMessage) => child.connected && child.send(message, () => {});
  send({ job, options, plugins, threads });
  const timer = setInterval(() => {
    if (flag === undefined || !isSet(flag)) return;
    send("stop");
    clearInterval(timer);
  }, POLL);
  return new Promise((resolve, reject) => {
    child.on("message", (message: Message) => {
      if (message.kind !== "done" && message.kind !== "failed") return onReport?.(message);
      if (message.kind === "done") resolve(message.result);
      else reject(new JobError(message.failure));
      return child.disconnect();
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      clearInterval(timer);
      reject(new Error(`it ended with ${signal ?? code} and said nothing`));
    });
  });
};

/**
 * Does one job in several processes, this one among them, which share the threads; the job itself must share what there
 * is to do. The answer is that of this process; another that fails is told as a warning, and the rest go on.
 */
export function workTogether(work: Work, processes: number): Work {
  if (processes === 1) return work;
  return async (job, options, how = {}) => {
    const threads = Math.max(1, Math.floor(threadBudget(how.threads) / processes));
    const flag = how.flag ?? stopFlag();
    const warn = (error: Error) => {
      const text = `one of ${processes} processes failed, the others go on: ${error.message}`;
      // What is wrong with the order itself is wrong here too.
      if (toFailure(error).exit === 1) how.onReport?.({ kind: "warning", text });
    };
    const others = Array.from({ length: processes - 1 }, () =>
      workBeside(job, options, { ...how, flag, threads }).catch(warn),
    );
    try {
      return await work(job, options, { ...how, flag, threads });
    } catch (error) {
      Atomics.store(flag, 0, 1);
      throw error;
    } finally {
      await Promise.all(others);
    }
  };
}
