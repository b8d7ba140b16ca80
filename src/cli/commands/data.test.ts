import { describe, expect, test, vi } from "vitest";
import { fakeTerminal } from "../../../test/support/fake-terminal.js";
import type { DataSummary } from "../jobs/data.js";
import { main } from "../main.js";
import type { Work } from "../work.js";
import { listText, summaryText } from "./data-text.js";

/** Runs a command line against a worker that answers as told. */
async function run(argv: readonly string[], answer: Work) {
  const terminal = fakeTerminal({ columns: 80 });
  const work = vi.fn(answer);
  const code = await main(["data", ...argv], { terminal, work });
  return { code, out: terminal.outLines.join("\n"), err: terminal.errLines.join("\n"), calls: work.mock.calls };
}

const source = { kind: "cache", location: "/c/pets", sha256: "abc" };
const summary: DataSummary = {
  kind: "summary",
  name: "pets",
  summary: "cats and dogs",
  origin: { from: "the shelter" },
  sources: { train: source, test: source },
  shape: [3, 32, 32],
  numClasses: 3,
  classNames: ["cat", "dog", "newt"],
  splits: {
    train: { images: 1403, counts: [1400, 3, 0] },
    selection: { images: 10, counts: [5, 5, 0] },
    test: { images: 20, counts: [10, 9, 1] },
  },
  findings: { images: 1433, flat: { train: [], selection: [], test: [] }, leaked: [] },
  warnings: ["train: no image of newt"],
  sound: true,
};

const TEXT = `pets: cats and dogs
from       the shelter
read from  cache, /c/pets
SHA-256    abc
images     train 1,403, selection 10, test 20; 1,433 looked at
shape      3 x 32 x 32 (channels, height, width), 3 classes

class  train                        selection  test
cat    1,400  ====================          5    10
dog        3  =                             5     9
newt       0                                0     1`;

describe("s2ap data", () => {
  test("lists data sets, with and without the word list", async () => {
    const listed = [
      { name: "pets", summary: "cats and dogs", state: "here", needs: [] },
      { name: "own", summary: "a folder", state: "yours", needs: ["path", "size"] },
      { name: "far", summary: "far away", state: "absent", needs: [] },
      { name: "made", summary: "noise", state: "generated", needs: [] },
    ] as const;
    const text = `pets  here                                        cats and dogs
own   your files: --set path=... --set size=...   a folder
far   not here yet                                far away
made  nothing to fetch                            noise`;
    expect(listText(listed).replaceAll(/ {2,}/g, "  ")).toBe(text.replaceAll(/ {2,}/g, "  "));
    for (const argv of [[], ["list"]]) {
      const { code, out, calls } = await run(argv, async () => listed);
      expect([code, out]).toEqual([0, listText(listed)]);
      expect(calls[0]?.slice(0, 2)).toEqual(["data", { what: "list" }]);
    }
    expect(JSON.parse((await run(["--json"], async () => listed)).out)).toEqual(listed);
  });

  test("get and check show the same, and only check is offline", async () => {
    const got = await run(["get", "pets", "--set", "a=1", "--set", "b=2"], async () => summary);
    expect([got.code, got.out, got.err]).toEqual([0, TEXT, "warning: train: no image of newt"]);
    const options = { what: "summary", name: "pets", set: ["a=1", "b=2"], quick: false, offline: false };
    expect(got.calls[0]?.[1]).toEqual(options);
    const checked = await run(["check", "pets", "--quick", "--json"], async () => summary);
    expect(checked.calls[0]?.[1]).toEqual({ ...options, set: [], quick: true, offline: true });
    expect([checked.code, JSON.parse(checked.out), checked.err]).toEqual([0, summary, ""]);
  });

  test("labels that are no class are bad data", async () => {
    const answer: Work = async () => ({ ...summary, sound: false });
    expect((await run(["check", "pets"], answer)).code).toBe(3);
    expect((await run(["get", "pets", "--json"], answer)).code).toBe(3);
  });

  test("a test set from elsewhere, images not looked at, and more classes than fit", () => {
    const counts = Array.from({ length: 1000 }, (_, label) => 700 + label);
    const many = summaryText({
      ...summary,
      numClasses: 1000,
      classNames: [],
      sources: { train: source, test: { ...source, location: "/c/other" } },
      splits: { ...summary.splits, train: { images: 1, counts } },
      findings: null,
    });
    expect(many).toContain("test from  cache, /c/other\nSHA-256    abc");
    expect(many).toContain("not looked at (--quick)");
    const lines = many.split("\n");
    expect(lines.at(-2)).toMatch(/^99 +799 +=+ /);
    expect(lines.at(-1)).toBe("and 900 more classes with 800 to 1,699 training images: --json has all");
  });

  test("show says where the picture is and what had no room", async () => {
    const sheet = { kind: "sheet", out: "pets.png", width: 900, height: 12_000, rows: 116, leftOut: 884, warnings: [] };
    const { code, out, err, calls } = await run(["show", "pets"], async () => ({ ...sheet, warnings: ["no font"] }));
    expect([code, out]).toEqual([0, "pets.png: 116 classes; 884 more had no room, 900 x 12000 pixels"]);
    expect(err).toBe("warning: no font");
    const asked = { what: "sheet", name: "pets", set: [], out: "pets.png", examples: 8, seed: 0, augmented: false };
    expect(calls[0]?.[1]).toEqual(asked);
    const argv = ["show", "pets", "--out", "a.png", "--examples", "3", "--seed", "4", "--augmented", "--json"];
    const json = await run(argv, async () => sheet);
    expect(json.calls[0]?.[1]).toEqual({ ...asked, out: "a.png", examples: 3, seed: 4, augmented: true });
    expect(JSON.parse(json.out)).toEqual(sheet);
  });

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s stops it, with %i", async (signal, code) => {
    const answer: Work = async (_job, _options, how) => {
      process.emit(signal);
      return Atomics.load(how?.flag as Int32Array, 0) === 1 ? { kind: "stopped" } : summary;
    };
    for (const argv of [
      ["get", "pets"],
      ["show", "pets"],
    ]) {
      const stopped = await run(argv, answer);
      expect([stopped.code, stopped.out, stopped.err]).toEqual([code, "", "stopping; once more to leave at once"]);
    }
  });

  test("progress is told, but not with --json", async () => {
    const answer: Work = async (_job, _options, how) => {
      how?.onReport?.({ kind: "message", text: "getting pets" });
      return { ...summary, warnings: [] };
    };
    expect((await run(["get", "pets"], answer)).err).toBe("getting pets");
    expect((await run(["get", "pets", "--json"], answer)).err).toBe("");
  });
});
