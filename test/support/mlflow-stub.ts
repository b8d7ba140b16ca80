import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

export interface StubRun {
  readonly experiment: string;
  readonly name: string;
  readonly start: number;
  readonly params: Record<string, string>;
  readonly tags: Record<string, string>;
  readonly metrics: {
    readonly key: string;
    readonly value: number;
    readonly timestamp: number;
    readonly step: number;
  }[];
  readonly statuses: string[];
}

/** A server that answers the endpoints of MLflow that a run uses, and remembers. */
export interface MlflowStub extends AsyncDisposable {
  readonly address: string;
  readonly runs: Map<string, StubRun>;
  readonly requests: { readonly path: string; readonly authorization: string | undefined; readonly size: number }[];
  /** Answers these, in order, before it goes on as usual. */
  readonly failures: { readonly status: number; readonly body: string }[];
}

type Body = Record<string, never> & {
  name: string;
  run_id: string;
  status: string;
  metrics: StubRun["metrics"];
  params: { key: string; value: string }[];
  tags: { key: string; value: string }[];
  experiment_id: string;
  run_name: string;
  start_time: number;
};

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of request) text += String(chunk);
  return text;
}

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export async function mlflowStub(): Promise<MlflowStub> {
  const experiments = new Map<string, string>();
  const runs = new Map<string, StubRun>();
  const requests: MlflowStub["requests"] = [];
  const failures: MlflowStub["failures"] = [];

  const runOf = (id: string): StubRun => {
    const run = runs.get(id);
    if (run === undefined) throw new Refused(404, "RESOURCE_DOES_NOT_EXIST");
    return run;
  };
  const endpoints: Record<string, (body: Body, url: URL) => unknown> = {
    "GET experiments/get-by-name": (_body, url) => {
      const name = url.searchParams.get("experiment_name") ?? "";
      const id = experiments.get(name);
      if (id === undefined) throw new Refused(404, "RESOURCE_DOES_NOT_EXIST");
      return { experiment: { experiment_id: id, name, lifecycle_stage: "active" } };
    },
    "POST experiments/create": ({ name }) => {
      if (experiments.has(name)) throw new Refused(400, "RESOURCE_ALREADY_EXISTS");
      experiments.set(name, String(experiments.size + 1));
      return { experiment_id: experiments.get(name) };
    },
    "POST runs/create": ({ experiment_id, run_name, start_time, tags }) => {
      const experiment = [...experiments].find(([, id]) => id === experiment_id)?.[0];
      if (experiment === undefined) throw new Refused(404, "RESOURCE_DOES_NOT_EXIST");
      const id = `run${runs.size + 1}`;
      const named = Object.fromEntries(tags.map(({ key, value }) => [key, value]));
      const run = { experiment, name: run_name, start: start_time, params: {}, tags: named, metrics: [], statuses: [] };
      runs.set(id, run);
      return { run: { info: { run_id: id, status: "RUNNING" }, data: {} } };
    },
    "POST runs/log-batch": ({ run_id, metrics, params }) => {
      const run = runOf(run_id);
      if (metrics.length > 1000 || params.length > 100) throw new Refused(400, "INVALID_PARAMETER_VALUE");
      run.metrics.push(...metrics);
      for (const { key, value } of params) run.params[key] = value;
      return {};
    },
    "POST runs/update": ({ run_id, status }) => {
      runOf(run_id).statuses.push(status);
      return { run_info: { run_id, status } };
    },
  };

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "", "http://stub");
    const text = await bodyOf(request);
    const path = url.pathname.replace("/api/2.0/mlflow/", "");
    requests.push({ path, authorization: request.headers.authorization, size: text.length });
    const answer = (status: number, body: string) => response.writeHead(status).end(body);
    const failure = failures.shift();
    if (failure !== undefined) return answer(failure.status, failure.body);
    try {
      const endpoint = endpoints[`${request.method} ${path}`];
      if (endpoint === undefined) throw new Refused(404, "ENDPOINT_NOT_FOUND");
      return answer(200, JSON.stringify(endpoint(JSON.parse(text || "{}") as Body, url)));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return answer(error.status, JSON.stringify({ error_code: error.code, message: `stub: ${error.code}` }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    requests,
    failures,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
