import { exitCode, inertLines, S2apError } from "../util/index.js";

/** An error as data: what survives the way from the worker to the main thread. */
export interface Failure {
  readonly code: string;
  readonly message: string;
  /** Exit code of the process. */
  readonly exit: number;
  /** Of a recipe: every problem by itself. */
  readonly problems?: readonly unknown[];
  /** Only of errors that nobody foresaw. */
  readonly stack?: string;
}

export function failureOf(error: unknown): Failure {
  const exit = exitCode(error);
  if (error instanceof S2apError) {
    const problems = "problems" in error && Array.isArray(error.problems) ? { problems: error.problems } : {};
    return { code: error.code, message: error.message, exit, ...problems };
  }
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { code: "internal", message, exit, ...(stack === undefined ? {} : { stack }) };
}

/** Thrown on the main thread for a job that failed. */
export class JobError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** The failure to show for anything that was thrown. */
export function toFailure(error: unknown): Failure {
  return error instanceof JobError ? error.failure : failureOf(error);
}

/** What a person reads: our own errors say what to do; of others, the stack is what a report of the bug needs. */
export function failureText(failure: Failure): string {
  // It may quote a file that nobody vouches for.
  const message = inertLines(failure.message);
  if (failure.stack === undefined) return failure.problems ? message : `s2ap: ${message}`;
  return `s2ap: unexpected error, please report it with the lines below\n${failure.stack}`;
}
