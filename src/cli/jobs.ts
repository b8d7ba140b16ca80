import type { RunUpdate } from "../recipe/run.js";
import type { Failure } from "./failure.js";
import type { StopFlag } from "./signals.js";

/** What a job tells while it works; `folder`: where its run folders will be, before the first is made. */
export type Report = RunUpdate | { readonly kind: "folder"; readonly path: string };

/** What passes from the worker to the main thread. */
export type Message =
  | Report
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "failed"; readonly failure: Failure };

/** What the worker is started with. */
export interface WorkOrder {
  readonly job: string;
  readonly options: unknown;
  readonly flag: StopFlag;
  /** Modules of the user's own, as absolute paths. */
  readonly plugins: readonly string[];
}

/** What a job may use besides its options. */
export interface JobContext {
  /** Asked between two attack steps. */
  shouldStop(): boolean;
  report(report: Report): void;
}

/** A job: everything that touches libtorch, in the one thread that may. */
export type Job<O, R> = (options: O, context: JobContext) => R | Promise<R>;
