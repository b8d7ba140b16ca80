import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { mlflowStub } from "../../test/support/mlflow-stub.js";
import { openRun, type Run, readEvents } from "../run/index.js";
import { UsageError } from "../util/index.js";
import { follow, mlflow, mlflowClient, sourceOf } from "./index.js";
import { writeMlrun } from "./mlruns.js";

let root = "";
let warnings: string[] = [];
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "s2ap-mlflow-"));
  warnings = [];
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const warn = (text: string) => warnings.push(text);
const recipe = { name: "tiny", stages: { search: { method: { name: "hydra", keepRatio: 0.1 } } }, "../../x": "y" };
const folder = () => join(root, "tiny", "hydra");
const open = () => openRun(folder(), { seed: 7, recipe });
const fast = { waitsMs: [1, 1, 1], timeoutMs: 2000, warn };

function log(run: Run, n: number): void {
  const numbers = { loss: 1 / n, lr: 0.1, robustAccuracy: 0.3, imagesPerSecond: 800 };
  run.append({ type: "step", stage: "search", epoch: 0, step: n, ...numbers });
}

describe("a run on an MLflow server", () => {
  test("has its parameters, its curves, and how it ended", async () => {
    await using stub = await mlflowStub();
    const run = open();
    const follower = follow(join(root, "tiny"), [(source) => mlflow(stub.address, source, fast)], { onWarning: warn });
    for (let n = 1; n <= 400; n += 1) log(run, n);
    follower.poll();
    log(run, 401);
    run.update({ status: "done" });
    run.close();
    await follower.close();
    expect(warnings).toEqual([]);
    const [found] = [...stub.runs.values()];
    expect(found).toMatchObject({
      experiment: "tiny",
      name: "hydra",
      params: { "stages.search.method.keepRatio": "0.1", name: "tiny" },
      tags: { "mlflow.runName": "hydra", "s2ap.seed": "7" },
      statuses: ["RUNNING", "FINISHED"],
    });
    const events = readEvents(folder());
    const losses = found?.metrics.filter(({ key }) => key === "search/step/loss");
    expect(losses?.map(({ step }) => step)).toEqual(Array.from({ length: 401 }, (_, i) => i + 1));
    expect(losses?.[1]).toEqual({
      ...{ key: "search/step/loss", value: 0.5, step: 2 },
      timestamp: Date.parse(events[1]?.at ?? ""),
    });
  });

  test("is given nothing twice by a resume, by a second follower or by an export", async () => {
    await using stub = await mlflowStub();
    const run = open();
    const session = () =>
      follow(join(root, "tiny"), [(source) => mlflow(stub.address, source, fast)], { onWarning: warn });
    log(run, 1);
    const { byteLength } = run;
    log(run, 2);
    const first = session();
    await first.close();
    run.truncate(byteLength);
    const second = session();
    log(run, 2);
    log(run, 3);
    await second.close();
    const sink = mlflow(stub.address, sourceOf(folder()), fast);
    sink.write(readEvents(folder()), true);
    await sink.close();
    run.close();
    expect([stub.runs.size, warnings]).toEqual([1, []]);
    const losses = [...stub.runs.values()][0]?.metrics.filter(({ key }) => key === "search/step/loss");
    expect(losses?.map(({ step }) => step)).toEqual([1, 2, 3]);
  });

  test("survives a server that stumbles", async () => {
    await using stub = await mlflowStub();
    stub.failures.push({ status: 503, body: "busy" }, { status: 429, body: "" }, { status: 500, body: "{" });
    using run = open();
    log(run, 1);
    const sink = mlflow(stub.address, sourceOf(folder()), fast);
    sink.write(readEvents(folder()), true);
    await sink.close();
    expect(warnings).toEqual([]);
    expect([...stub.runs.values()][0]?.metrics).toHaveLength(4);
  });

  test("a server that is not there is a warning with the cure, and what it missed can be sent later", async () => {
    const gone = await mlflowStub();
    const { address } = gone;
    await gone[Symbol.asyncDispose]();
    using run = open();
    log(run, 1);
    const sink = mlflow(address, sourceOf(folder()), fast);
    sink.write(readEvents(folder()), true);
    await sink.close();
    expect(warnings).toHaveLength(2);
    expect(warnings[0]).toContain(`mlflow at ${address}, experiments/get-by-name: expected an answer, got none: `);
    expect(warnings[0]).toContain("; the run goes on, and it is tried again");
    const later = `s2ap runs export ${folder()} --mlflow ${address}`;
    expect(warnings[1]).toBe(`hydra: 4 numbers have not reached MLflow; send them later with: ${later}`);
  });

  test("closing waits for a silent server no longer than it may", async () => {
    await using stub = await mlflowStub();
    using run = open();
    log(run, 1);
    const sink = mlflow(stub.address, sourceOf(folder()), { ...fast, waitsMs: [60_000], closeMs: 50 });
    stub.failures.push({ status: 503, body: "" });
    sink.write(readEvents(folder()), true);
    const begun = performance.now();
    await sink.close();
    expect(performance.now() - begun).toBeLessThan(5000);
    expect(warnings.at(-1)).toContain("4 numbers have not reached MLflow");
  });

  test("a run that was deleted there says how to begin anew", async () => {
    await using stub = await mlflowStub();
    using run = open();
    const session = async () => {
      const sink = mlflow(stub.address, sourceOf(folder()), fast);
      sink.write(readEvents(folder()), true);
      await sink.close();
    };
    log(run, 1);
    await session();
    stub.runs.clear();
    log(run, 2);
    await session();
    expect(warnings[0]).toContain(`remove ${join(folder(), "mlflow.json")} to begin a new run there`);
  });
});

describe("the client", () => {
  test("finds an experiment that another run makes meanwhile, and passes the credentials on", async () => {
    await using stub = await mlflowStub();
    const client = mlflowClient(stub.address, { authorization: "Bearer t" });
    const id = await client.experiment("a & b");
    stub.failures.push({ status: 404, body: '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}' });
    expect(await client.experiment("a & b")).toBe(id);
    expect(stub.requests.map(({ path }) => path)).toEqual([
      "experiments/get-by-name",
      "experiments/create",
      "experiments/get-by-name",
      "experiments/create",
      "experiments/get-by-name",
    ]);
    expect(new Set(stub.requests.map(({ authorization }) => authorization))).toEqual(new Set(["Bearer t"]));
  });

  test.each([
    [200, '{"experiment": {}}', "expected experiment.experiment_id"],
    [200, "<html>", "(is it an MLflow server?), got"],
    [403, "no", "expected an answer, got status 403"],
    [400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "bad name"}', "got INVALID_PARAMETER_VALUE bad name"],
  ])("an answer of status %s and %s is an error at once", async (status, body, text) => {
    await using stub = await mlflowStub();
    stub.failures.push({ status, body });
    await expect(mlflowClient(stub.address).experiment("x")).rejects.toThrow(text);
    expect(stub.requests).toHaveLength(1);
  });

  test("an address that is none is bad usage", () => {
    expect(() => mlflowClient("sqlite:///x.db")).toThrow(UsageError);
    expect(() => mlflowClient("localhost")).toThrow('such as http://127.0.0.1:5000, got "localhost"');
  });
});

describe("an mlruns folder", () => {
  test("has the layout of MLflow's file store, and writing again replaces it", () => {
    const run = open();
    log(run, 1);
    log(run, 4);
    run.update({ status: "done" });
    run.close();
    const out = join(root, "mlruns");
    const written = writeMlrun(out, sourceOf(folder()));
    expect(writeMlrun(out, sourceOf(folder()))).toBe(written);
    const [experiment = ""] = readdirSync(out);
    expect(experiment).toMatch(/^[1-9]\d{17}$/);
    expect(readdirSync(join(out, experiment))).toHaveLength(2);
    const read = (...path: readonly string[]) => readFileSync(join(written, ...path), "utf8");
    const events = readEvents(folder());
    expect(read("metrics", "search", "step", "loss")).toBe(
      `${Date.parse(events[0]?.at ?? "")} 1 1\n${Date.parse(events[1]?.at ?? "")} 0.25 4\n`,
    );
    expect(read("params", "stages.search.method.keepRatio")).toBe("0.1");
    expect(read("tags", "mlflow.runName")).toBe("hydra");
    expect(parse(read("meta.yaml"))).toMatchObject({
      ...{ experiment_id: experiment, lifecycle_stage: "active", run_name: "hydra", status: 3, source_type: 4 },
      artifact_uri: `file://${folder()}`,
    });
    expect(parse(readFileSync(join(out, experiment, "meta.yaml"), "utf8"))).toMatchObject({
      ...{ experiment_id: experiment, name: "tiny", lifecycle_stage: "active" },
    });
  });

  test("no key of a recipe leads out of it", () => {
    open().close();
    const written = writeMlrun(join(root, "mlruns"), sourceOf(folder()));
    expect(readdirSync(join(written, "params"))).toContain("__.._x");
    expect(existsSync(join(root, "x"))).toBe(false);
  });
});
