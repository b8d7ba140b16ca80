// The one thread that owns libtorch. It does one job and ends; the main thread keeps terminal, signals and time limits.
import { parentPort, workerData } from "node:worker_threads";
import { failureOf } from "./failure.js";
import type { JobContext, Message, WorkOrder } from "./jobs.js";
import { isSet } from "./signals.js";

// Loaded by name, so that `list` does not wait for what only `run` needs.
const JOBS: Readonly<
  Record<string, () => Promise<{ readonly job: (options: never, context: JobContext) => unknown }>>
> = {
  list: () => import("./jobs/list.js"),
  recipe: () => import("./jobs/recipe.js"),
  run: () => import("./jobs/run.js"),
  grid: () => import("./jobs/grid.js"),
  compare: () => import("./jobs/compare.js"),
  estimate: () => import("./jobs/estimate.js"),
  eval: () => import("./jobs/eval.js"),
  data: () => import("./jobs/data.js"),
  import: () => import("./jobs/import.js"),
  inspect: () => import("./jobs/inspect.js"),
  export: () => import("./jobs/export.js"),
  stability: () => import("./jobs/stability.js"),
  landscape: () => import("./jobs/landscape.js"),
  sharpness: () => import("./jobs/sharpness.js"),
  doctor: () => import("./jobs/doctor.js"),
};

function post(message: Message): void {
  parentPort?.postMessage(message);
}

async function work({ job, options, flag, plugins }: WorkOrder): Promise<void> {
  const context: JobContext = { shouldStop: () => isSet(flag), report: post };
  try {
    // Not at the top: where libtorch is missing, that must be said in words.
    if (plugins.length > 0) await (await import("./plugin.js")).loadPlugins(plugins);
    const module = await JOBS[job]?.();
    post({ kind: "done", result: await module?.job(options as never, context) });
  } catch (error) {
    post({ kind: "failed", failure: failureOf(error) });
  }
}

await work(workerData as WorkOrder);
