import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { JobError } from "./failure.js";
import type { Message, Report, WorkOrder } from "./jobs.js";
import { type StopFlag, stopFlag } from "./signals.js";

export interface WorkOptions {
  readonly flag?: StopFlag;
  readonly plugins?: readonly string[];
  /** Threads of libtorch; default: what OMP_NUM_THREADS says, else one a processor. */
  readonly threads?: number | undefined;
  readonly onReport?: (report: Report) => void;
}

/** Does a job in the worker thread that owns libtorch. Throws JobError when the job fails. */
export type Work = (job: string, options: unknown, how?: WorkOptions) => Promise<unknown>;

/** Threads that this command may use. */
export const threadBudget = (threads: number | undefined) =>
  threads ?? Number(process.env.OMP_NUM_THREADS ?? availableParallelism());

/**
 * OpenMP reads these when libtorch is loaded, from the process's environment, which only the main thread can change.
 * Threads that wait passively leave the processors to others; spinning ones halve the speed of a busy machine.
 */
function prepareOpenMp(threads: number | undefined): void {
  process.env.OMP_WAIT_POLICY ??= "PASSIVE";
  if (threads !== undefined) process.env.OMP_NUM_THREADS = String(threads);
  process.env.OMP_NUM_THREADS ??= String(availableParallelism());
}

export const work: Work = (job, options, how = {}) => {
  prepareOpenMp(how.threads);
  const order: WorkOrder = { job, options, flag: how.flag ?? stopFlag(), plugins: how.plugins ?? [] };
  const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: order });
  return new Promise((resolve, reject) => {
    worker.on("message", (message: Message) => {
      if (message.kind === "done") resolve(message.result);
      else if (message.kind === "failed") reject(new JobError(message.failure));
      else how.onReport?.(message);
    });
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`the worker ended with code ${code} and said nothing`)));
  });
};
