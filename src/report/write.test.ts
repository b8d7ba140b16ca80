import { readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, test } from "vitest";
import { removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { hasFonts } from "./figure-files.js";
import { FORMATS, writeReportFiles } from "./write.js";

afterAll(removeFolders);

describe("writeReportFiles", () => {
  const folder = explainedFixture();
  const out = temporaryFolder();

  test("writes what is asked for", async () => {
    const { files, data } = await writeReportFiles([folder], { out, formats: FORMATS });
    const names = files.map((file) => file.slice(out.length + 1));
    expect(data.problems.filter((problem) => !problem.includes("fonts"))).toEqual([]);
    expect(names.slice(0, 2)).toEqual(["report.html", "report.md"]);
    expect(names).toContain("report.json");
    const of = (end: string) =>
      names.filter((name) => name.endsWith(end)).map((name) => name.slice(0, -4).split("/")[1]);
    expect(of(".csv")).toEqual(of(".tex"));
    expect(of(".svg")).toEqual(of(".png"));
    expect(of(".csv").length).toBeGreaterThan(12);
    expect(of(".csv")).toContain("scores-near-the-threshold");
    expect(of(".svg")).toContain("landscape-2-surface");
    expect(new Set(names).size).toBe(names.length);
  }, 60_000);

  test("writes only that", async () => {
    const { files } = await writeReportFiles([folder], { out: temporaryFolder(), formats: ["json"] });
    expect(files).toHaveLength(1);
  });

  test("draws every figure in both forms, large enough for print, and with its words", async () => {
    const svg = readFileSync(join(out, "figures", "mask-distance.svg"), "utf8");
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toMatch(/^<svg [^>]*>\n<rect width="100%" height="100%" fill="#ffffff">/);
    expect(readFileSync(join(out, "report.html"), "utf8")).not.toContain('#ffffff"></rect>');
    const image = sharp(join(out, "figures", "mask-distance.png"));
    expect((await image.metadata()).width).toBe(1200);
    if (!(await hasFonts())) return;
    // The name of the upright axis stands at the left, between the legend and the first line.
    const words = image.extract({ left: 0, top: 60, width: 500, height: 30 });
    expect((await words.stats()).channels[0]?.min).toBeLessThan(140);
  });
});
