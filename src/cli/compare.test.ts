import { describe, expect, test, vi } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import type { CompareJobOptions, ComparePlan } from "./jobs/compare.js";
import type { GridJobResult } from "./jobs/grid.js";
import { main } from "./main.js";

const line = { what: "search", forward: 1413, backward: 1413, seconds: 100, peakMemory: 8.5e8 };

const plan = (seconds: number): ComparePlan => ({
  status: "planned",
  out: "runs/little-compare",
  cells: ["plain-1", "s2ap-1"],
  done: [],
  measured: false,
  unequal: ["Budgets are not equal: why."],
  skipped: [{ name: "plain-gamma_0.1", reason: "expected a known key, got gamma" }],
  estimate: {
    runs: [{ name: "plain-1", lines: [line] }],
    ...{ forward: 1413, backward: 1413, seconds, peakMemory: 8.5e8, probeSeconds: 7 },
  },
});

const result: GridJobResult = {
  ...{ status: "done", out: "runs/little-compare", markdown: "runs/little-compare/grid.md" },
  summary: "2 of 2 cells are done",
};

/** Runs a comparison that would take so long; `answer` is what a person says, if there is one. */
async function compare(seconds: number, more: readonly string[] = [], answer?: boolean, measured = false) {
  const confirm = answer === undefined ? undefined : vi.fn(async () => answer);
  const terminal = { ...fakeTerminal(), confirm };
  const work = vi.fn(async (_job: string, options: unknown) =>
    (options as CompareJobOptions).what === "plan" ? { ...plan(seconds), measured } : result,
  );
  const code = await main(["compare", "my recipe.yaml", "--grid", "stages.search.gradient.name=plain,s2ap", ...more], {
    terminal,
    work,
  });
  const asked = work.mock.calls.map(([job, options]) => [job, (options as CompareJobOptions).what]);
  const options = work.mock.calls.at(-1)?.[1] as CompareJobOptions;
  return { code, asked, options, confirm, out: terminal.outLines.join("\n"), err: terminal.errLines.join("\n") };
}

const PLAN = ["compare", "plan"];
const RUN = ["compare", "run"];

describe("s2ap compare", () => {
  test("tells what it will cost, and runs what is short", async () => {
    const { code, asked, out, err, options } = await compare(600);
    expect([code, asked]).toEqual([0, [PLAN, RUN]]);
    expect(err).toContain("left out: plain-gamma_0.1: expected a known key, got gamma");
    expect(err).toContain("2 cells, in runs/little-compare");
    expect(err).toContain("warning: Budgets are not equal: why.");
    expect(err).toContain("in all about 10:00, 2,826 passes, peak memory 0.85 GB (measured in 0:07");
    expect(out).toBe("2 of 2 cells are done\nruns/little-compare/grid.md");
    expect(options).toMatchObject({ seeds: "3", equal: "epochs", onlyReport: false, skipInvalid: false });
    expect(options.command).toBe(
      "s2ap compare 'my recipe.yaml' --grid stages.search.gradient.name=plain,s2ap --seeds 3",
    );
  });

  test("passes on what is measured of the searches, and says that it is not estimated", async () => {
    const { options, err } = await compare(1, ["--sharpness", "--claims", "plain,s2ap"]);
    expect(options).toMatchObject({ sharpness: true, claims: "plain,s2ap" });
    expect(options.command).toMatch(/ --seeds 3 --sharpness --claims plain,s2ap$/);
    expect(err).not.toContain("sharpness");
    const some = await compare(1, ["--sharpness", "{images: 64}"], undefined, true);
    expect(some.options.command).toMatch(/ --sharpness '\{images: 64\}'$/);
    expect(some.err).toContain("sharpness of the searches is not in this: it comes on top");
  });

  test("names what decides the numbers, and not how they are made", async () => {
    const more = ["--from", "runs/my dense", "--jobs", "2", "--threads", "1", "--out", "elsewhere"];
    expect((await compare(1, more)).options.command).toMatch(/plain,s2ap --seeds 3 --from 'runs\/my dense'$/);
    const work = vi.fn(async (_job: string, _options: unknown) => result);
    const grid = ["grid", "g.yaml", "--tiny", "--from", "runs/dense", "--markdown", "g.md", "--out", "x", "--report"];
    await main(grid, { terminal: fakeTerminal(), work });
    expect(work.mock.calls[0]?.[1]).toMatchObject({
      command: "s2ap grid g.yaml --profile tiny --from runs/dense --markdown g.md",
    });
  });

  test("takes trackers, and refuses unknown ones before anything is planned", async () => {
    expect((await compare(1, ["--log", "tensorboard"])).asked).toEqual([PLAN, RUN]);
    const { code, asked, err } = await compare(1, ["--log", "tensorbord"]);
    expect([code, asked, err.includes("tensorboard")]).toEqual([2, [], true]);
  });

  test("asks before what takes longer than ten minutes", async () => {
    const no = await compare(601, [], false);
    expect([no.code, no.asked]).toEqual([0, [PLAN]]);
    expect(no.err).toMatch(/nothing was run$/);
    expect(no.confirm).toHaveBeenCalledWith("Run it for about 10:01?");
    expect((await compare(601, [], true)).asked).toEqual([PLAN, RUN]);
  });

  test("needs --yes where nobody can be asked", async () => {
    const { code, asked, err } = await compare(7200);
    expect([code, asked]).toEqual([2, [PLAN]]);
    expect(err).toContain("compare: expected --yes for what takes about 2:00:00 where nobody can be asked, got none");
    const yes = await compare(7200, ["--yes", "--json"]);
    expect([yes.code, yes.asked, JSON.parse(yes.out)]).toEqual([0, [PLAN, RUN], result]);
  });

  test("--dry-run and --report run nothing", async () => {
    const dry = await compare(7200, ["--dry-run", "--seeds", "1,2", "--equal", "passes"]);
    expect([dry.code, dry.asked, dry.out]).toEqual([0, [PLAN], "plain-1\ns2ap-1"]);
    const { asked, options } = await compare(7200, ["--report", "--tiny", "--equal", "passes"]);
    expect([asked, options.onlyReport, options.profile]).toEqual([[RUN], true, "tiny"]);
    expect(options.command).toMatch(/ --profile tiny .* --seeds 3 --equal passes$/);
  });

  test("knows two kinds of equality", async () => {
    const { code, err } = await compare(1, ["--equal", "seconds"]);
    expect([code, err]).toEqual([2, expect.stringContaining("Allowed choices are epochs, passes.")]);
  });
});

test("s2ap estimate prints a line for each stage and the sum", async () => {
  const terminal = fakeTerminal();
  const work = vi.fn(async () => plan(125).estimate);
  expect(await main(["estimate", "a.yaml", "--tiny", "--set", "seed=2"], { terminal, work })).toBe(0);
  expect(work).toHaveBeenCalledWith(
    "estimate",
    { path: "a.yaml", set: ["seed=2"], profile: "tiny" },
    expect.anything(),
  );
  expect(terminal.outLines.join("\n")).toBe(
    [
      "run      stage or attack  forward  backward  time  peak memory",
      "plain-1  search             1,413     1,413  1:40      0.85 GB",
      "in all about 2:05, 2,826 passes, peak memory 0.85 GB (measured in 0:07, on a machine as busy as it is now)",
    ].join("\n"),
  );
});
