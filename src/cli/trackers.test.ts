import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import { mlflowStub } from "../../test/support/mlflow-stub.js";
import { openRun } from "../run/index.js";
import { main } from "./main.js";
import { trackersOf } from "./trackers.js";
import type { Work } from "./work.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "s2ap-log-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

/** A worker that trains two steps of two networks. */
const training: Work = async (_job, _options, how) => {
  how?.onReport?.({ kind: "folder", path: root });
  for (const name of ["dense", "hydra"]) {
    using run = openRun(join(root, name), { seed: 1 });
    const numbers = { loss: 1, lr: 0.1, robustAccuracy: 0.3, imagesPerSecond: 800 };
    for (const step of [1, 2]) run.append({ type: "step", stage: "search", epoch: 0, step, ...numbers });
    run.update({ status: "done" });
  }
  return { status: "stopped", out: root };
};

async function s2ap(argv: readonly string[]) {
  const terminal = fakeTerminal();
  const work = vi.fn(training);
  const code = await main(argv, { terminal, work });
  return { code, err: terminal.errLines.join("\n"), calls: work.mock.calls.length };
}

describe("--log", () => {
  test.each(["run", "grid"])("of %s follows every network to its end", async (command) => {
    await using stub = await mlflowStub();
    vi.stubEnv("MLFLOW_EXPERIMENT_NAME", "paper");
    const log = ["--log", "tensorboard", "--log", `mlflow=${stub.address}`];
    const { err } = await s2ap([command, "a.yaml", ...log, "--json"]);
    expect(err).not.toContain("warning");
    const file = (name: string) => readFileSync(join(root, name, "tensorboard", "events.out.tfevents.s2ap"));
    expect(file("dense").length).toBeGreaterThan(300);
    expect(file("hydra").includes("search/step/loss")).toBe(true);
    const runs = [...stub.runs.values()].sort((a, b) => a.name.localeCompare(b.name));
    expect(runs.map((run) => [run.experiment, run.name, run.metrics.length, run.statuses])).toEqual([
      ["paper", "dense", 8, ["RUNNING", "FINISHED"]],
      ["paper", "hydra", 8, ["RUNNING", "FINISHED"]],
    ]);
  });

  test("without it nothing is written but the run", async () => {
    await s2ap(["run", "a.yaml"]);
    expect(existsSync(join(root, "dense", "events.jsonl"))).toBe(true);
    expect(existsSync(join(root, "dense", "tensorboard"))).toBe(false);
  });

  test("a tracker that is unknown or has no address is bad usage, before anything runs", async () => {
    vi.stubEnv("MLFLOW_TRACKING_URI", "");
    const unknown = await s2ap(["run", "a.yaml", "--log", "tensorbord"]);
    expect([unknown.code, unknown.calls]).toEqual([2, 0]);
    expect(unknown.err).toContain("tensorbord");
    expect(unknown.err).toContain("tensorboard, mlflow");
    const nowhere = await s2ap(["run", "a.yaml", "--log", "mlflow"]);
    expect([nowhere.code, nowhere.calls]).toEqual([2, 0]);
    expect(nowhere.err).toBe(
      "s2ap: --log: expected the address of an MLflow server, as mlflow=http://127.0.0.1:5000 or in " +
        "MLFLOW_TRACKING_URI, got nothing",
    );
  });

  test("credentials are taken from where MLflow's own clients take them", async () => {
    await using stub = await mlflowStub();
    using run = openRun(join(root, "run"), { seed: 1 });
    const send = async (env: Record<string, string>) => {
      const [open] = trackersOf(["mlflow"], { MLFLOW_TRACKING_URI: stub.address, ...env });
      const sink = open?.({ folder: run.folder, name: "run", experiment: "e" }, () => {});
      sink?.write([], true);
      await sink?.close();
      return stub.requests.at(-1)?.authorization;
    };
    expect(await send({ MLFLOW_TRACKING_TOKEN: "t" })).toBe("Bearer t");
    expect(await send({ MLFLOW_TRACKING_USERNAME: "u", MLFLOW_TRACKING_PASSWORD: "p" })).toBe("Basic dTpw");
    expect(await send({})).toBeUndefined();
  });
});
