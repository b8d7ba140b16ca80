import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { figures, type Table, words } from "./blocks.js";
import { collect } from "./collect.js";
import { reportDocument } from "./document.js";
import { tablesOf } from "./document-tables.js";
import { escapeLatex, latex } from "./latex.js";

afterAll(removeFolders);

const golden = (name: string) => fileURLToPath(new URL(`../../test/golden/report/${name}`, import.meta.url));
const tables = (options = {}) => tablesOf(reportDocument(collect([explainedFixture(options)])));

/** Cells of a line: unescaped ampersands apart, spans counted. */
function width(line: string): number {
  return line
    .replace(/\\\\$/, "")
    .split(/(?<!\\)&/)
    .reduce((sum, cell) => sum + Number(/\\multicolumn\{(\d+)\}/.exec(cell)?.[1] ?? 1), 0);
}

/** What would stop a compiler: braces that do not match, bare special characters, lines of other lengths, unknown commands. */
function faults(text: string): string[] {
  const found: string[] = [];
  const bare = text.replace(/^%.*$/m, "").replace(/\\[{}$&#_%]/g, "");
  let depth = 0;
  for (const character of bare) {
    depth += character === "{" ? 1 : character === "}" ? -1 : 0;
    if (depth < 0) found.push("brace");
  }
  if (depth !== 0) found.push("open brace");
  if (/[#%^]|[^\n -ÿ]/.test(bare)) found.push("bare character");
  if ((bare.replace(/\\label\{[^}]*\}/g, "").match(/_/g) ?? []).length > 0) found.push("underscore");
  if ((bare.match(/\$/g) ?? []).length % 2 !== 0) found.push("dollar");
  const format = /\\begin\{(?:tabular|longtable)\}\{([lr]+)\}/.exec(text)?.[1] ?? "";
  const body = text.split("\n").filter((line) => line.endsWith("\\\\") && !line.startsWith("\\caption"));
  for (const line of body) if (width(line) !== format.length) found.push(`width: ${line}`);
  for (const [, command = ""] of bare.replace(/\\\\/g, " ").matchAll(/\\([a-zA-Z]+)/g))
    if (!known.has(command)) found.push(command);
  return found;
}

const known = new Set(
  (
    "begin end centering caption label toprule midrule bottomrule cmidrule multicolumn textbf endhead endfoot textbackslash textasciitilde " +
    "textasciicircum textless textgreater textbar symbol textquotesingle textasciigrave rightarrow times cdot surd ldots lambda gamma " +
    "textsuperscript small footnotesize setlength tabcolsep resizebox ifdim width linewidth else fi shortstack"
  ).split(" "),
);

describe("latex", () => {
  test("is the golden table in the paper's layout", async () => {
    const found = tables().find(({ section }) => section === "pairs");
    await expect(latex("pairs", found?.table as Table)).toMatchFileSnapshot(golden("pairs.tex"));
  });

  test.each([
    ["plain names", {}],
    [
      "hostile names",
      {
        dense: "\\input{/etc/passwd}",
        hydra: "a_b & c % d # $x$ ^ ~ {",
        "hydra-s2ap": "日本 [x] --",
        magnitude: "}\\end{tabular}",
      },
    ],
  ])("compiles, as far as can be told, with %s", (_, names) => {
    const all = tables({ names });
    expect(all.length).toBeGreaterThan(12);
    for (const { id, table } of all) expect([id, ...faults(latex(id, table))]).toEqual([id]);
  });

  test("the check finds what it should", () => {
    const table = (cell: string): Table => ({ caption: "c", columns: [words("a"), figures("b")], rows: [[cell, "1"]] });
    const whole = latex("t", table("x"));
    expect(faults(whole)).toEqual([]);
    for (const bad of ["x & y", "x_y", "{x", "x}", "$", "\\input{x}", "50 %", "é→"]) {
      expect(faults(whole.replace("x & 1", `${bad} & 1`)), bad).not.toEqual([]);
    }
  });

  test("escapes text", () => {
    expect(escapeLatex("50 % of a_b & {c} \\d -- [e] − é 日")).toBe(
      "50 \\% of a\\_b \\& \\{c\\} \\textbackslash{}d -{}- {[}e{]} $-$ é {[}U+65E5{]}",
    );
    expect(escapeLatex('*"þ')).toBe("{*}\\symbol{34}{[}U+00FE{]}");
  });

  test("puts many rows on several pages, and leaves out what a group repeats", () => {
    const rows = Array.from({ length: 41 }, (_, i) => ["same", String(i)]);
    const text = latex("long", { caption: "c", columns: [words("a"), figures("b")], rows, groups: 1 });
    expect(text).toContain("\\begin{longtable}{lr}");
    expect(text.match(/same/g)).toHaveLength(1);
  });
});
