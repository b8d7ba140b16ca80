import { duration } from "../format.js";
import { showProgress } from "../progress.js";
import { SIGNAL_CODES, type Stopper, watchSignals } from "../signals.js";
import type { Cli } from "./context.js";

export interface LongJobHow {
  readonly threads: number | undefined;
  readonly plugins: readonly string[];
  /** Seconds after which it stops cleanly. */
  readonly maxTime: number | undefined;
  readonly quiet: boolean;
}

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
  { threads, plugins, maxTime, quiet }: LongJobHow,
): Promise<R> {
  const progress = showProgress(cli.terminal);
  const begun = performance.now();
  using stopper = watchSignals({ onStop: (reason) => progress.say(stopText(reason)), onLeave: progress.close });
  if (maxTime !== undefined) stopper.limit(maxTime);
  try {
    const onReport = quiet ? () => {} : progress.update;
    const result = (await cli.work(job, options, { threads, plugins, flag: stopper.flag, onReport })) as R;
    if (result.status !== "stopped") return result;
    const spent = duration((performance.now() - begun) / 1000);
    cli.terminal.err(`stopped after ${spent}; ${result.out} holds the state: run the same command again to go on`);
    const { reason } = stopper;
    if (reason !== undefined && reason !== "time") cli.exitCode = SIGNAL_CODES[reason];
    return result;
  } finally {
    progress.close();
  }
}
