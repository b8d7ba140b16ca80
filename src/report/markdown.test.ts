import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { experimentFixture, removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { collect } from "./collect.js";
import { toMarkdown } from "./index.js";
import { escapeMarkdown, markdown } from "./markdown.js";

afterAll(removeFolders);

const golden = fileURLToPath(new URL("../../test/golden/report/quickstart.md", import.meta.url));

describe("markdown", () => {
  test("is the golden report", async () => {
    await expect(toMarkdown(collect([experimentFixture()]))).toMatchFileSnapshot(golden);
  });

  test("lets no name break a table or become a tag", () => {
    const names = { hydra: "a|b\n<script>alert(1)</script>", magnitude: "`x` *y* [z](javascript:0)" };
    const text = toMarkdown(collect([experimentFixture({ names })]));
    expect(text).toContain("| a\\|b &lt;script>alert(1)&lt;/script>");
    expect(text).toContain("\\`x\\` \\*y\\* \\[z\\](javascript:0)");
    // Recipes stand in fences, as they are.
    expect(text.replace(/^```yaml$[\s\S]*?^```$/gm, "")).not.toContain("<script");
    const columns = (line: string) => line.replace(/\\\|/g, "").split("|").length;
    for (const block of text.split("\n\n").filter((part) => part.startsWith("| "))) {
      expect(new Set(block.split("\n").map(columns)).size).toBe(1);
    }
  });

  test("says where an evaluation ended early, so that its numbers are bounds", () => {
    const folder = explainedFixture();
    const path = join(folder, "hydra", "evaluation", "2-autoattack", "card.json");
    const card = JSON.parse(readFileSync(path, "utf8"));
    const told = () => toMarkdown(collect([folder])).includes("at most these");
    const ask = (early: object) => {
      const verdict = { question: "robust < 60 %", answer: true, bound: 0.5, ...early };
      writeFileSync(path, JSON.stringify({ ...card, verdict }));
      return told();
    };
    expect([told(), ask({}), ask({ early: true })]).toEqual([false, false, true]);
  });

  test("escapes what starts a heading, a quotation or a list", () => {
    expect(["# a", "> a", "- a", "1. a", "a - b"].map(escapeMarkdown)).toEqual([
      "\\# a",
      "\\> a",
      "\\- a",
      "\\1. a",
      "a - b",
    ]);
  });

  test("closes a fence with one that the text does not hold", () => {
    const blocks = [{ kind: "code", summary: "recipe", text: "a: |\n  ```\n  ````\n" } as const];
    const text = markdown({ title: "t", lead: "l", notices: [], sections: [{ id: "s", title: "s", blocks }] });
    expect(text).toContain("`````yaml\na: |\n  ```\n  ````\n`````\n");
  });
});
