import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { collect } from "./collect.js";
import { toHtml, toMarkdown } from "./index.js";

afterAll(removeFolders);

/** A plane as `s2ap landscape` leaves it, its greatest loss at the last corner. */
function plane(folder: string, run: string, file: string, directions: readonly string[], most: number, more = {}) {
  const at = [0, 0.5, 1];
  const axes = directions.map((direction) => ({ direction, coordinates: at }));
  const losses = at.map((y) => at.map((x) => 1 + (most - 1) * x * y));
  const settings = { epoch: 4, images: 128, split: "selection", axes, ...more };
  writeFileSync(join(folder, run, file), JSON.stringify({ settings, losses, cosine: 0.314 }));
}

/** The figures of the section, by title. */
function figures(html: string): Map<string, string> {
  const [section = ""] = html.slice(html.indexOf('id="section-landscape"')).split("</section>");
  const found = section.matchAll(/<figure[^>]*><figcaption>([^<]*)<\/figcaption>[\s\S]*?<\/figure>/g);
  return new Map(Array.from(found, ([figure, title]) => [title ?? "", figure] as const));
}

describe("landscapes", () => {
  const scales = (html: string) => [...html.matchAll(/ data-scale="([^"]*)"/g)].map(([, scale]) => scale);

  test("of all runs are on one scale", () => {
    const found = scales(toHtml(collect([explainedFixture()])));
    expect(found).toHaveLength(2);
    expect(new Set(found).size).toBe(1);
  });

  test("over the same directions are side by side on their own scale, whatever others a run has", () => {
    const folder = explainedFixture();
    for (const [run, most] of [
      ["hydra", 3],
      ["hydra-s2ap", 2],
    ] as const) {
      rmSync(join(folder, run, "landscape.json"));
      plane(folder, run, "landscape-random.json", ["random", "random"], most);
    }
    plane(folder, "hydra", "landscape-eigen.json", ["eigen1", "eigen2"], 15);
    const found = figures(toHtml(collect([folder])));
    expect([...found.keys()].slice(-6)).toEqual([
      "hydra over eigen1 and eigen2, from above",
      "hydra over eigen1 and eigen2, as a surface",
      "hydra over random and random, from above",
      "hydra-s2ap over random and random, from above",
      "hydra over random and random, as a surface",
      "hydra-s2ap over random and random, as a surface",
    ]);
    const scale = (title: string) => scales(found.get(`${title}, as a surface`) ?? "");
    expect(scale("hydra over random and random")).toEqual(["1,3"]);
    expect(scale("hydra-s2ap over random and random")).toEqual(["1,3"]);
    expect(scale("hydra over eigen1 and eigen2")).toEqual(["0,15"]);
    expect(found.get("hydra over random and random, from above")).toContain(">random, in lengths of the scores<");
  });

  test("of one run over the same directions twice bear their files' names", () => {
    const folder = explainedFixture();
    plane(folder, "hydra", "landscape-a.json", ["random", "random"], 2);
    plane(folder, "hydra", "landscape-b.json", ["random", "random"], 3);
    const titles = [...figures(toHtml(collect([folder]))).keys()];
    expect(titles).toContain("hydra, landscape-b over random and random, from above");
  });

  test("through another search's end ring it and name it", () => {
    const folder = explainedFixture();
    const other = { other: { run: "hydra-s2ap" } };
    plane(folder, "hydra", "landscape-plane.json", ["other", "start"], 3, other);
    plane(folder, "hydra", "landscape-random.json", ["random", "random"], 3, other);
    const html = toHtml(collect([folder]));
    const found = figures(html);
    const words = (title: string) =>
      [...(found.get(title) ?? "").matchAll(/<text[^>]*>([^<]*)</g)].map(([, word]) => word);
    for (const drawn of ["from above", "as a surface"]) {
      expect(words(`hydra over other and start, ${drawn}`)).toEqual(
        expect.arrayContaining(["hydra", "hydra-s2ap", "before the search"]),
      );
      expect(words(`hydra over random and random, ${drawn}`)).not.toContain("hydra");
    }
    expect(words("hydra over other and start, from above")).toContain("other (1: hydra-s2ap)");
    expect(html).toContain("hydra: other is hydra-s2ap, cosine of the directions 0.31.");
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
