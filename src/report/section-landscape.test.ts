import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { collect } from "./collect.js";
import { toHtml, toMarkdown } from "./index.js";

afterAll(removeFolders);

describe("landscapes", () => {
  const scales = (html: string) => [...html.matchAll(/ data-scale="([^"]*)"/g)].map(([, scale]) => scale);

  test("of all runs are on one scale", () => {
    const found = scales(toHtml(collect([explainedFixture()])));
    expect(found).toHaveLength(2);
    expect(new Set(found).size).toBe(1);
  });

  test("are drawn as logarithms where one loss is very great, and told as they are", () => {
    const folder = explainedFixture();
    const path = join(folder, "hydra", "landscape.json");
    writeFileSync(path, readFileSync(path, "utf8").replace('"losses":[[8.25,', '"losses":[[3525,'));
    const data = collect([folder]);
    expect(toHtml(data)).toContain("log10 loss");
    expect(Number(scales(toHtml(data))[0]?.split(",")[1])).toBeLessThanOrEqual(4);
    expect(toMarkdown(data)).toContain("3525");
  });

  test("that are damaged are named and left out", () => {
    const folder = explainedFixture();
    for (const text of ["{}", '{"losses": [[1]]}', "[", '{"settings":{"axes":[]},"losses":[]}']) {
      writeFileSync(join(folder, "hydra", "landscape.json"), text);
      const data = collect([folder]);
      expect(data.problems.join(" ")).toContain("hydra/landscape.json");
      expect(toHtml(data)).toContain("</html>");
    }
  });
});
