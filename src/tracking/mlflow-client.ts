// MLflow's tracking server over its REST API, version 2.0 (mlflow.org/docs/latest/rest-api.html): experiments/get-by-name,
// experiments/create, runs/create, runs/log-batch (at most 1000 metrics, 100 parameters and 100 tags, 1000 together), runs/update.
import { z } from "zod";
import { expectation, expected, type Problem, S2apError, UsageError } from "../util/index.js";
import { checkOptions } from "../util/options.js";

export interface Metric {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

export interface Named {
  readonly key: string;
  readonly value: string;
}

export type MlflowStatus = "RUNNING" | "FINISHED" | "FAILED" | "KILLED";

/** The few calls that a run needs; each rejects with an S2apError of code `mlflow/...`. */
export interface MlflowClient {
  /** Id of an experiment, made where there is none. */
  experiment(name: string): Promise<string>;
  /** Makes a run; its id. `start` in milliseconds since 1970. */
  createRun(experimentId: string, name: string, start: number, tags: readonly Named[]): Promise<string>;
  logBatch(
    runId: string,
    batch: { readonly metrics?: readonly Metric[]; readonly params?: readonly Named[] },
  ): Promise<void>;
  /** `end` in milliseconds since 1970. */
  update(runId: string, status: MlflowStatus, end?: number): Promise<void>;
}

export interface MlflowOptions {
  /** Milliseconds a request may take; default 10,000. */
  readonly timeoutMs?: number;
  /** Milliseconds before each further try; default 500, 1000, 2000. */
  readonly waitsMs?: readonly number[];
  /** `Authorization` header; default none. */
  readonly authorization?: string | undefined;
  /** Gives up at once; default: never. */
  readonly signal?: AbortSignal;
}

const experimentAnswer = z.object({ experiment: z.object({ experiment_id: z.string().min(1) }) });
const createdAnswer = z.object({ experiment_id: z.string().min(1) });
const runAnswer = z.object({ run: z.object({ info: z.object({ run_id: z.string().min(1) }) }) });
const nothing = z.object({});
const refusal = z.object({ error_code: z.string(), message: z.string().catch("") });

/** The server said no, or nothing; `mlflow/RESOURCE_DOES_NOT_EXIST` and the like carry its own code. */
class MlflowError extends S2apError {
  /** Another try may help. */
  readonly passing: boolean;

  constructor(message: string, code: string, passing: boolean, cause?: unknown) {
    super(message, { code: `mlflow/${code}`, cause });
    this.passing = passing;
  }
}

function checkAddress(address: string): string {
  const protocol = URL.canParse(address) ? new URL(address).protocol : "";
  if (protocol === "http:" || protocol === "https:") return address.replace(/\/+$/, "");
  const what = "an address of an MLflow server such as http://127.0.0.1:5000";
  throw new UsageError(expected("mlflow", what, address), { code: "usage/mlflow" });
}

async function readAnswer<T>(where: string, response: Response, schema: z.ZodType<T>): Promise<T> {
  const text = await response.text();
  let json: unknown = text;
  try {
    json = text === "" ? {} : JSON.parse(text);
  } catch {
    // Told below, as a text that is not what was expected.
  }
  if (!response.ok) {
    const told = refusal.safeParse(json);
    const code = told.success ? told.data.error_code : `http-${response.status}`;
    const message = told.success ? `${code} ${told.data.message.slice(0, 200)}` : `status ${response.status}`;
    const passing = response.status === 429 || response.status >= 500;
    throw new MlflowError(`${where}: expected an answer, got ${message}`, code, passing);
  }
  const checked = checkOptions(schema, json);
  if (checked.ok) return checked.value;
  const problem = checked.problems[0] as Problem;
  throw new MlflowError(
    expected(where, `${expectation(problem)} (is it an MLflow server?)`, problem.got),
    "answer",
    false,
  );
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

type Ask = <T>(path: string, body: unknown, schema: z.ZodType<T>) => Promise<T>;

/** Asks the server at this address, and again where that may help; a body makes it a POST. */
function requests(address: string, options: MlflowOptions): Ask {
  const base = `${checkAddress(address)}/api/2.0/mlflow`;
  const { timeoutMs = 10_000, waitsMs = [500, 1000, 2000], authorization, signal } = options;
  const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };

  async function once<T>(path: string, init: RequestInit, schema: z.ZodType<T>): Promise<T> {
    const where = `mlflow at ${address}, ${path.replace(/\?.*/, "")}`;
    const limit = AbortSignal.timeout(timeoutMs);
    const until = signal === undefined ? limit : AbortSignal.any([limit, signal]);
    try {
      return await readAnswer(where, await fetch(`${base}/${path}`, { ...init, headers, signal: until }), schema);
    } catch (error) {
      if (error instanceof MlflowError) throw error;
      const cause = (error as Error).cause;
      const why = cause instanceof Error && cause.message !== "" ? cause.message : (error as Error).message;
      throw new MlflowError(`${where}: expected an answer, got none: ${why}`, "unreachable", true, error);
    }
  }

  async function ask<T>(path: string, body: unknown, schema: z.ZodType<T>): Promise<T> {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    for (const wait of waitsMs) {
      try {
        return await once(path, init, schema);
      } catch (error) {
        if (!(error instanceof MlflowError) || !error.passing || signal?.aborted === true) throw error;
        await sleep(wait, signal);
      }
    }
    return once(path, init, schema);
  }

  return ask;
}

const isCode = (error: unknown, code: string) => error instanceof MlflowError && error.code === `mlflow/${code}`;

/** A client of the server at this address. */
export function mlflowClient(address: string, options: MlflowOptions = {}): MlflowClient {
  const ask = requests(address, options);

  async function find(name: string): Promise<string> {
    const path = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
    return (await ask(path, undefined, experimentAnswer)).experiment.experiment_id;
  }

  return {
    async experiment(name) {
      try {
        return await find(name);
      } catch (error) {
        if (!isCode(error, "RESOURCE_DOES_NOT_EXIST")) throw error;
      }
      try {
        return (await ask("experiments/create", { name }, createdAnswer)).experiment_id;
      } catch (error) {
        // Another run made it meanwhile.
        if (isCode(error, "RESOURCE_ALREADY_EXISTS")) return find(name);
        throw error;
      }
    },
    async createRun(experimentId, name, start, tags) {
      const body = { experiment_id: experimentId, run_name: name, start_time: start, tags };
      return (await ask("runs/create", body, runAnswer)).run.info.run_id;
    },
    async logBatch(runId, { metrics = [], params = [] }) {
      await ask("runs/log-batch", { run_id: runId, metrics, params, tags: [] }, nothing);
    },
    async update(runId, status, end) {
      await ask("runs/update", { run_id: runId, status, ...(end !== undefined && { end_time: end }) }, nothing);
    },
  };
}
