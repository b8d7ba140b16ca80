import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { experimentFixture, removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { collect, terminalTable, writeReport } from "./index.js";

afterAll(removeFolders);

describe("terminalTable", () => {
  const { rows } = collect([experimentFixture()]);

  test("fits 100 columns and shows every number of a row", () => {
    const lines = terminalTable(rows).split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    const row = lines
      .slice(lines.findIndex((line) => line.startsWith("hydra-s2ap")))
      .slice(0, 3)
      .join("\n");
    for (const shown of [
      "90.00",
      "51.4",
      "48.3–54.5",
      "32.2",
      "29.4–35.2",
      "29.6",
      "1.43",
      "0.78",
      "0.0173",
      "17,402",
    ]) {
      expect(row).toContain(shown);
    }
    expect(row).toMatch(/search +108\n.*finetune +44/);
  });

  test("lets no name write escape sequences to the terminal", () => {
    const [row] = rows;
    const text = terminalTable([{ ...(row as (typeof rows)[number]), name: "a\u001b[2Jb\n\u009b" }]);
    expect(text).toContain("a [2Jb");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
  });

  test("marks what is missing", () => {
    const [row] = collect([join(experimentFixture(), "dense")]).rows;
    expect(terminalTable([{ ...(row as (typeof rows)[number]), stageSeconds: {}, passes: null }])).toContain("–");
  });
});

describe("writeReport", () => {
  test("writes both files, making their folder, and returns what it read", () => {
    const folder = join(temporaryFolder(), "new", "folder");
    const out = { html: join(folder, "report.html"), markdown: join(folder, "report.md") };
    const data = writeReport([experimentFixture()], out);
    expect(data.rows).toHaveLength(4);
    expect(readFileSync(out.html, "utf8")).toContain("<h1>quickstart</h1>");
    expect(readFileSync(out.markdown, "utf8")).toMatch(/^# quickstart\n/);
  });
});
