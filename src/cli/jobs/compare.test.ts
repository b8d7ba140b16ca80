import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { LITTLE_RECIPE } from "../../../test/support/little-recipe.js";
import type { GridData } from "../../report/index.js";
import type { Report } from "../jobs.js";
import { type CompareJobOptions, type ComparePlan, job } from "./compare.js";
import type { GridJobResult } from "./grid.js";

const base = mkdtempSync(join(tmpdir(), "s2ap-compare-job-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const path = join(base, "little.yaml");
writeFileSync(path, LITTLE_RECIPE);

const options: CompareJobOptions = {
  ...{
    what: "run",
    path,
    grid: ["stages.search.gradient.name=plain,random", "stages.finetune.awp=on,off"],
    seeds: "1",
  },
  ...{ set: ["stages.search.gradient.warmupEpochs=0"], skipInvalid: false, smallDense: false, equal: "epochs" },
  ...{ out: join(base, "runs"), onlyReport: false, command: "s2ap compare little.yaml" },
};

/** Does the job; `stopAt` is a cell at whose begin it is asked to stop. */
async function run(changes: Partial<CompareJobOptions>, stopAt?: string) {
  const told: string[] = [];
  let stop = false;
  const report = (told_: Report) => {
    if (told_.kind !== "message") return;
    told.push(told_.text);
    stop ||= stopAt !== undefined && told_.text.includes(`${stopAt}: begins`);
  };
  return { result: await job({ ...options, ...changes }, { shouldStop: () => stop, report }), told };
}

test("a comparison is planned, stopped, resumed and done", async () => {
  const plan = (await run({ what: "plan" })).result as ComparePlan;
  expect(plan.cells).toEqual(["plain-awp_on-1", "plain-awp_off-1", "random-awp_on-1", "random-awp_off-1"]);
  expect(plan.done).toEqual([]);
  expect(plan.estimate?.runs.map(({ name }) => name)).toEqual(["dense", ...plan.cells]);
  const stopped = (await run({}, "random-awp_on-1")).result as GridJobResult;
  expect([stopped.status, stopped.summary]).toEqual([
    "stopped",
    "2 of 4 cells are done; missing: random-awp_on-1 and random-awp_off-1",
  ]);
  const rest = (await run({ what: "plan" })).result as ComparePlan;
  expect(rest.done).toEqual(["plain-awp_on-1", "plain-awp_off-1"]);
  expect(rest.estimate?.runs.map(({ name }) => name)).toEqual(["random-awp_on-1", "random-awp_off-1"]);
  const done = (await run({})).result as GridJobResult;
  expect([done.status, done.summary]).toEqual(["done", "4 of 4 cells are done"]);

  // What was planned is what was spent.
  const data = JSON.parse(readFileSync(join(base, "runs", "grid.json"), "utf8")) as GridData;
  const passes = (lines: readonly { what: string; forward: number; backward: number }[] | undefined) =>
    lines?.filter(({ what }) => what !== "clean").map(({ what, forward, backward }) => [what, forward, backward]);
  for (const cell of data.cells) {
    const planned = plan.estimate?.runs.find(({ name }) => name === cell.name)?.lines;
    expect(passes(cell.result?.cost)).toEqual(passes(planned));
  }
  expect(((await run({ what: "plan" })).result as ComparePlan).estimate).toBeNull();
  expect(readFileSync(done.markdown, "utf8")).toContain("is written by: s2ap compare little.yaml.");
}, 300_000);
