// A run's numbers on an MLflow server. The server only ever adds points, so what it has is kept in the run folder
// (`mlflow.json`: run id, and for each curve its last step): a resumed run, which gives the same numbers again, and a later
// `s2ap runs export --mlflow` send only what is missing. Between an answer and that file a crash may send a batch twice; with
// the same times, so that MLflow's databases keep one of them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { findManifest } from "../run/index.js";
import { S2apError, writeFileAtomic } from "../util/index.js";
import { metricsOf, paramsOf, startOf, statusOf, tagsOf } from "./describe.js";
import { type Metric, type MlflowClient, type MlflowOptions, mlflowClient } from "./mlflow-client.js";
import type { Sink, Source } from "./sink.js";

const MOST_METRICS = 1000;
const MOST_PARAMS = 100;
const GOES_ON = "the run goes on, and it is tried again";

const memory = z.object({
  address: z.string(),
  experiment: z.string(),
  runId: z.string(),
  /** Of each curve, the last step that the server has. */
  sent: z.record(z.string(), z.number()),
});
type Memory = z.output<typeof memory>;

export interface MlflowSinkOptions extends MlflowOptions {
  /** Default: the folder that the run folders lie in. */
  readonly experiment?: string | undefined;
  /** Milliseconds that closing may wait for the server; default 20,000. */
  readonly closeMs?: number;
  /** What becomes of numbers that did not arrive, in words; default: those of a run that goes on. */
  readonly later?: string | undefined;
  readonly warn: (text: string) => void;
}

function remembered(path: string, address: string, experiment: string): Memory | undefined {
  try {
    const found = memory.parse(JSON.parse(readFileSync(path, "utf8")));
    return found.address === address && found.experiment === experiment ? found : undefined;
  } catch {
    // None yet, or none that can be read: the run is begun anew on the server.
    return undefined;
  }
}

function cure(error: Error, path: string, later: string): string {
  const lost = error instanceof S2apError && error.code === "mlflow/RESOURCE_DOES_NOT_EXIST";
  return lost ? `remove ${path} to begin a new run there` : later;
}

async function begin(client: MlflowClient, source: Source, experiment: string): Promise<string> {
  const manifest = findManifest(source.folder);
  const start = startOf(manifest);
  const tags = tagsOf(source.name, manifest);
  const id = await client.createRun(await client.experiment(experiment), source.name, start, tags);
  const params = paramsOf(manifest?.recipe);
  for (let at = 0; at < params.length; at += MOST_PARAMS) {
    await client.logBatch(id, { params: params.slice(at, at + MOST_PARAMS) });
  }
  return id;
}

interface Target {
  readonly client: MlflowClient;
  readonly address: string;
  readonly experiment: string;
}

/** What the server has of a run, and what it is still to be given. */
function sender(source: Source, { client, address, experiment }: Target) {
  const path = join(source.folder, "mlflow.json");
  let state = remembered(path, address, experiment);
  let pending: readonly Metric[] = [];
  let running = false;
  const isNew = ({ key, step }: Metric) => step > (state?.sent[key] ?? Number.NEGATIVE_INFINITY);
  const remember = () => writeFileAtomic(path, `${JSON.stringify(state)}\n`);
  return {
    path,
    get pending() {
      return pending.length;
    },
    get runId() {
      return state?.runId;
    },
    /** `whole`: instead of what was to be sent. */
    add(metrics: readonly Metric[], whole: boolean): void {
      const fresh = metrics.filter(isNew);
      pending = whole ? fresh : [...pending, ...fresh];
    },
    async send(): Promise<void> {
      if (state === undefined) {
        state = { address, experiment, runId: await begin(client, source, experiment), sent: {} };
        remember();
      }
      if (!running) await client.update(state.runId, "RUNNING");
      running = true;
      while (pending.length > 0) {
        const metrics = pending.slice(0, MOST_METRICS);
        await client.logBatch(state.runId, { metrics });
        for (const { key, step } of metrics) state.sent[key] = Math.max(step, state.sent[key] ?? step);
        // Not the first ones: the log may have been cut back meanwhile.
        pending = pending.filter(isNew);
        remember();
      }
    },
  };
}

/** Sends one run to an MLflow server, in the background; a server that does not answer is a warning. */
export function mlflow(address: string, source: Source, options: MlflowSinkOptions): Sink {
  const { experiment = source.experiment, closeMs = 20_000, warn, later = GOES_ON, ...rest } = options;
  const giveUp = new AbortController();
  const client = mlflowClient(address, { ...rest, signal: giveUp.signal });
  const run = sender(source, { client, address, experiment });
  let working: Promise<void> | undefined;
  let warned = false;

  async function work(): Promise<void> {
    try {
      await run.send();
      warned = false;
    } catch (error) {
      if (!warned) warn(`${source.name}: ${(error as Error).message}; ${cure(error as Error, run.path, later)}`);
      warned = true;
    }
    working = undefined;
  }

  /** One sending at a time; what fails stays pending and is tried again with the next events. */
  function pump(): Promise<void> {
    working ??= work();
    return working;
  }

  return {
    name: "mlflow",
    write(events, whole) {
      run.add(metricsOf(events), whole);
      if (run.pending > 0 || run.runId === undefined) void pump();
    },
    async close() {
      const timer = setTimeout(() => giveUp.abort(), closeMs);
      try {
        await working;
        await pump();
        if (run.pending === 0 && run.runId !== undefined) {
          const status = statusOf(source.folder);
          await client.update(run.runId, status, status === "RUNNING" ? undefined : Date.now());
        }
      } catch (error) {
        warn(`${source.name}: ${(error as Error).message}`);
      } finally {
        clearTimeout(timer);
      }
      if (run.pending === 0 && run.runId !== undefined) return;
      const command = `s2ap runs export ${source.folder} --mlflow ${address}`;
      warn(`${source.name}: ${run.pending} numbers have not reached MLflow; send them later with: ${command}`);
    },
  };
}
