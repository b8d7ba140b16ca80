import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { experimentFixture, removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import { mlflowStub } from "../../test/support/mlflow-stub.js";
import { readEvents } from "../run/index.js";
import { sourcesOf, toCsv } from "../tracking/index.js";
import { main } from "./main.js";

afterAll(removeFolders);

async function s2ap(...argv: readonly string[]) {
  const terminal = fakeTerminal();
  const code = await main(argv, { terminal });
  return { code, out: terminal.outLines.join("\n"), err: terminal.errLines.join("\n") };
}

test("a CSV has a column for each leaf, and quotes what needs it", () => {
  const rows = [
    { name: 'say "a,b"', at: { x: 1, y: null } },
    { name: "two\nlines", interval: [0.1, 0.2] },
  ];
  expect(toCsv(rows)).toBe('name,at.x,at.y,interval.0,interval.1\r\n"say ""a,b""",1,,,\r\n"two\nlines",,,0.1,0.2\r\n');
  expect(toCsv([])).toBe("\r\n");
  // A spreadsheet would run it.
  expect(toCsv([{ name: "=HYPERLINK(1)", seed: -1, lr: 1e-7 }])).toBe("name,seed,lr\r\n'=HYPERLINK(1),-1,1e-7\r\n");
});

test("an experiment is exported in every format at once", async () => {
  const folder = experimentFixture();
  const out = temporaryFolder();
  const to = ["tensorboard", "mlruns", "csv", "jsonl"].flatMap((kind) => [`--${kind}`, join(out, kind)]);
  const { code, out: text, err } = await s2ap("runs", "export", folder, ...to, "--json");
  expect([code, err]).toEqual([0, ""]);
  const { runs, written } = JSON.parse(text) as { runs: string[]; written: string[] };
  expect(runs).toEqual(["dense", "hydra", "hydra-s2ap", "magnitude"].map((name) => join(folder, name)));
  expect(written).toContain(join(out, "tensorboard", "quickstart", "hydra-s2ap"));
  expect(written).toHaveLength(4 + 4 + 2 + 2);
  const lines = readFileSync(join(out, "jsonl", "events.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  const events = runs.flatMap((run) => readEvents(run));
  expect(lines).toHaveLength(events.length);
  expect(JSON.parse(lines[1] ?? "")).toEqual({ experiment: "quickstart", run: "dense", ...events[1] });
  const results = readFileSync(join(out, "csv", "results.csv"), "utf8").split("\r\n");
  expect(results[0]).toMatch(/^name,sparsity,cleanAccuracy,/);
  expect(results[3]).toMatch(/^hydra-s2ap,0.9,0.514,/);
  expect(results[0]).not.toContain("origins");
  expect(readFileSync(join(out, "jsonl", "results.jsonl"), "utf8")).not.toContain("origins");
});

test("runs go to an MLflow server; one that is not there is a failure here", async () => {
  const folder = experimentFixture();
  let address = "";
  {
    await using stub = await mlflowStub();
    address = stub.address;
    expect((await s2ap("runs", "export", folder, "--mlflow", address)).code).toBe(0);
    expect([...stub.runs.values()].map(({ name, statuses }) => [name, statuses.at(-1)])).toEqual(
      ["dense", "hydra", "hydra-s2ap", "magnitude"].map((name) => [name, "FINISHED"]),
    );
  }
  const { code, err } = await s2ap("runs", "export", join(folder, "dense"), "--mlflow", address);
  expect([code, err.includes("warning: dense: mlflow at")]).toEqual([1, true]);
  expect(err).toContain("give the command again: it sends what is missing");
  expect(err).not.toContain("the run goes on");
});

test("what cannot be exported says why", async () => {
  const folder = experimentFixture();
  expect((await s2ap("runs", "export", folder)).err).toBe(
    "s2ap: runs export: expected at least one of --tensorboard, --mlruns, --mlflow, --csv and --jsonl, got none",
  );
  const missing = await s2ap("runs", "export", join(folder, "none"), "--csv", folder);
  expect([missing.code, missing.err]).toEqual([
    3,
    `s2ap: ${join(folder, "none")}: expected a run folder or one that holds some, got one without run.json`,
  ]);
  expect(() => sourcesOf([folder, experimentFixture()])).toThrow("got two of quickstart/dense");
});
