import { type Follower, follow, type OpenSink } from "../../tracking/index.js";
import { workTogether } from "../beside.js";
import { duration } from "../format.js";
import type { Report } from "../jobs.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, type Stopper, watchSignals } from "../signals.js";
import type { Cli } from "./context.js";

export interface LongJobHow {
  readonly threads: number | undefined;
  /** Processes that share the work, where the job can share it; default 1. */
  readonly jobs?: number | undefined;
  readonly plugins: readonly string[];
  /** Seconds after which it stops cleanly. */
  readonly maxTime: number | undefined;
  readonly quiet: boolean;
  /** Where its events go besides the run folders; default: nowhere. */
  readonly trackers?: readonly OpenSink[];
}

/** The option of commands whose cells several processes share. */
export const JOBS_OPTION = [
  "--jobs <n>",
  "cells at a time, each in a process with its part of the threads; default 1",
] as const;

export function stopText(reason: Stopper["reason"]): string {
  if (reason === "time") return "time is up: stopping with the state saved";
  return "stopping with the state saved; once more to leave at once";
}

/**
 * Does a job that writes into a folder and can go on from there: progress on the way, and where signals or the time stop
 * it, how to go on, and the exit code.
 */
export async function longJob<R extends { readonly status: string; readonly out: string }>(
  cli: Cli,
  job: string,
  options: unknown,
  { threads, jobs = 1, plugins, maxTime, quiet, trackers = [] }: LongJobHow,
): Promise<R> {
  const progress = showProgress(cli.terminal);
  const begun = performance.now();
  using stopper = watchSignals({ onStop: (reason) => progress.say(stopText(reason)), onLeave: progress.close });
  if (maxTime !== undefined) stopper.limit(maxTime);
  let follower: Follower | undefined;
  const onWarning = (text: string) => progress.say(cli.terminal.paint("yellow", `warning: ${text}`));
  const onReport = (told: Report) => {
    if (told.kind === "folder" && trackers.length > 0) follower ??= follow(told.path, trackers, { onWarning });
    if (!quiet) progress.update(told);
  };
  try {
    const work = workTogether(cli.work, jobs);
    const result = (await work(job, options, { threads, plugins, flag: stopper.flag, onReport })) as R;
    if (result.status !== "stopped") return result;
    const spent = duration((performance.now() - begun) / 1000);
    cli.terminal.err(`stopped after ${spent}; ${result.out} holds the state: run the same command again to go on`);
    const { reason } = stopper;
    if (reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
    return result;
  } finally {
    // Before the answer: what a tracker could not take is said above it.
    await follower?.close();
    progress.close();
  }
}
