import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { experimentFixture, removeFolders, temporaryFolder } from "../../test/support/experiment-fixture.js";
import { writeDistances } from "../../test/support/explained-fixture.js";
import { DataError, UsageError } from "../util/index.js";
import { collect } from "./collect.js";
import type { ReportData } from "./data.js";
import { toHtml, toMarkdown } from "./index.js";

afterAll(removeFolders);

/** Whatever is missing, both texts must still come out. */
function shown(data: ReportData): string {
  expect(toHtml(data)).toContain("</html>");
  return toMarkdown(data);
}

function change(path: string, edit: (json: Record<string, unknown>) => void): void {
  const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  edit(json);
  writeFileSync(path, JSON.stringify(json));
}

describe("collect", () => {
  test("reads a whole experiment", () => {
    const data = collect([experimentFixture()]);
    expect(data.name).toBe("quickstart");
    expect(data.problems).toEqual([]);
    expect(data.rows.map((row) => row.name)).toEqual(["dense", "hydra", "hydra-s2ap", "magnitude"]);
    expect(data.runs.map((run) => run.name)).toEqual(["dense", "hydra", "hydra-s2ap", "magnitude"]);
    const [dense, , s2ap] = data.runs;
    expect(dense?.stages.map(({ stage, epochs, done }) => [stage, epochs.length, done])).toEqual([
      ["pretrain", 12, true],
    ]);
    expect(s2ap?.stages.map(({ stage }) => stage)).toEqual(["search", "finetune"]);
    expect(s2ap?.stages[0]?.epochs[3]?.swapFraction).toBeGreaterThan(0);
    expect(data.images[0]?.examples).toHaveLength(6);
    expect(data.images[0]?.examples[0]?.label).toBe("truck");
  });

  test("reads a single run from its events alone", () => {
    const folder = join(experimentFixture(), "hydra-s2ap");
    const data = collect([folder]);
    const [row] = data.rows;
    expect(data.rows).toHaveLength(1);
    expect(row).toMatchObject({
      name: "hydra-s2ap",
      sparsity: 0.9,
      robustAccuracy: 0.322,
      examples: 1000,
      eps: "8/255",
    });
    expect(row?.cleanInterval?.[0]).toBeCloseTo(0.483, 3);
    expect(row?.maskDistance).toBe(data.runs[0]?.stages[0]?.epochs.at(-1)?.maskDistance);
    expect(Object.keys(row?.stageSeconds ?? {})).toEqual(["search", "finetune"]);
    expect(shown(data)).not.toContain("Attacked images");
  });

  test("keeps the names of several experiments apart", () => {
    const [a, b] = [experimentFixture(), experimentFixture()];
    const data = collect([a, b]);
    expect(data.rows.map((row) => row.name)).toContain("quickstart 2/hydra");
    expect(new Set(data.rows.map((row) => row.name)).size).toBe(8);
    expect(data.runs.map((run) => run.name)).toEqual(data.rows.map((row) => row.name));
    shown(data);
  });

  test("does without results.json: every run gives a row", () => {
    const data = collect([experimentFixture({ results: false })]);
    expect(data.rows.map((row) => row.name)).toEqual(["dense", "hydra", "hydra-s2ap", "magnitude"]);
    expect(shown(data)).toContain("quickstart has no results.json yet.");
  });

  test("does without images.json", () => {
    const data = collect([experimentFixture({ images: false })]);
    expect(data.images).toEqual([]);
    expect(shown(data)).not.toContain("Attacked images");
    expect(shown(collect([experimentFixture()]))).toContain("Attacked images");
  });

  test("leaves damaged lines of the log out, says so, and reads the rest", () => {
    const folder = experimentFixture();
    appendFileSync(join(folder, "hydra", "events.jsonl"), '{"type":"epoch","stage":"fine\n');
    const data = collect([folder]);
    expect(data.runs[1]?.stages[0]?.epochs).toHaveLength(4);
    expect(shown(data)).toContain("- hydra/events.jsonl: one damaged line is left out.");
  });

  test("takes a last line without its end for one that is still being written", () => {
    const folder = experimentFixture();
    appendFileSync(join(folder, "hydra", "events.jsonl"), '{"type":"epoch","stage":"fine');
    const data = collect([folder]);
    expect(data.problems).toEqual([]);
  });

  test("says how far a run came that has not finished", () => {
    const folder = experimentFixture({ results: false });
    const path = join(folder, "hydra", "events.jsonl");
    const lines = readFileSync(path, "utf8").split("\n");
    writeFileSync(path, `${lines.slice(0, 4).join("\n")}\n`);
    change(join(folder, "hydra", "run.json"), (run) => {
      run.status = "running";
    });
    const text = shown(collect([folder]));
    expect(text).toContain(
      "hydra has not finished (its process is gone; run it again to resume): search, 2 of 4 epochs done.",
    );
    expect(text).not.toContain("**Note:** dense");
  });

  test("an epoch that was run twice counts once, as it went last", () => {
    const folder = experimentFixture();
    const path = join(folder, "dense", "events.jsonl");
    const epoch = readFileSync(path, "utf8")
      .split("\n")
      .find((line) => line.includes('"epoch":3'));
    appendFileSync(path, `${JSON.stringify({ ...JSON.parse(epoch ?? ""), loss: 9 })}\n`);
    const epochs = collect([folder]).runs[0]?.stages[0]?.epochs ?? [];
    expect(epochs.map((entry) => entry.epoch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(epochs[3]?.loss).toBe(9);
  });

  test.each([
    ["results.json", "{", "cannot be read: it is no JSON."],
    ["results.json", '"x"', "holds no rows."],
    ["results.json", '{"rows": [{"name": 3}, {"name": "only"}]}', "1 of 2 rows cannot be read and are left out."],
    ["images.json", "[]", "holds no images."],
    ["images.json", '{"examples": [{"label": {}}]}', "1 images cannot be read."],
    ["hydra/run.json", "nonsense", "cannot be read: it is no JSON."],
    ["hydra/events.jsonl", "[]\n\u0000\n", "2 damaged lines are left out."],
  ])("survives a %s that holds %s", (path, content, problem) => {
    const folder = experimentFixture();
    writeFileSync(join(folder, path), content);
    const data = collect([folder]);
    expect(data.problems.join("\n")).toContain(problem);
    shown(data);
  });

  test("survives numbers that are none", () => {
    const folder = experimentFixture();
    change(join(folder, "results.json"), (results) => {
      const rows = results.rows as Record<string, unknown>[];
      rows[1] = {
        ...rows[1],
        robustAccuracy: null,
        robustInterval: [2, "x"],
        sparsity: "90 %",
        stageSeconds: null,
        passes: [1],
      };
    });
    const path = join(folder, "hydra", "events.jsonl");
    writeFileSync(
      path,
      readFileSync(path, "utf8")
        .replace(/"loss":[\d.]+/g, '"loss":null')
        .replace(/"epochs":4/g, '"epochs":"x"'),
    );
    const data = collect([folder]);
    // What the row lacks, the run's own evaluation tells.
    expect(data.rows[1]).toMatchObject({ robustAccuracy: 0.317, sparsity: 0.9 });
    shown(data);
  });

  test("shows nothing as a picture that is no PNG", () => {
    const folder = experimentFixture();
    change(join(folder, "images.json"), (images) => {
      const [first] = images.examples as Record<string, unknown>[];
      Object.assign(first ?? {}, {
        clean: '"><script>',
        adversarial: Buffer.from("GIF89a, is it").toString("base64"),
        difference: 7,
      });
    });
    const data = collect([folder]);
    expect(data.images[0]?.examples[0]).toMatchObject({ clean: null, adversarial: null, difference: null });
    expect(toHtml(data)).toContain("no picture");
  });

  test("measures the sparsity of layers on the masks, and takes the log's word where there are none", () => {
    const folder = experimentFixture();
    const layers = () => collect([folder]).runs.map((run) => run.layerSparsity["conv1.weight"]);
    const [dense, hydra, , magnitude] = layers();
    expect(dense).toBeUndefined();
    expect(magnitude).toBeCloseTo(0.9, 1);
    expect((hydra ?? 0) * 1000).toBe(Math.round((hydra ?? 0) * 1000));
    rmSync(join(folder, "hydra", "masks.safetensors"));
    expect(layers()[1]).toBe(0.8999);
    writeFileSync(join(folder, "hydra", "masks.safetensors"), "no safetensors");
    expect(layers()[1]).toBe(0.8999);
    expect(shown(collect([folder]))).toContain("hydra/masks.safetensors cannot be read.");
  });

  test("has no robust accuracy where nothing attacked, and the attack's where something did", () => {
    const folder = experimentFixture();
    const clean = {
      type: "evaluation",
      attack: "clean",
      cleanAccuracy: 0.5,
      robustAccuracy: 0.5,
      examples: 10,
      eps: "",
    };
    appendFileSync(join(folder, "hydra", "events.jsonl"), `${JSON.stringify(clean)}\n`);
    const hydra = collect([join(folder, "hydra")]);
    expect(hydra.rows[0]).toMatchObject({ attack: "pgd-20", robustAccuracy: 0.317 });
    expect(shown(hydra)).toContain("**Every evaluation**");
    change(join(folder, "results.json"), (results) => {
      Object.assign((results.rows as object[])[0] ?? {}, { attack: "clean", eps: "", robustAccuracy: 0.528 });
    });
    rmSync(join(folder, "dense"), { recursive: true });
    const [dense] = collect([folder]).rows;
    expect(dense).toMatchObject({ attack: null, robustAccuracy: null, cleanAccuracy: 0.528 });
  });

  test("has the curve of a folder with distances alone, and says why where they are none", () => {
    const folder = experimentFixture();
    const [whole, begun, damaged] = ["whole", "begun", "damaged"].map((name) =>
      join(folder, "hydra", "evaluations", name),
    ) as [string, string, string];
    writeDistances(whole);
    writeDistances(begun, 5);
    mkdirSync(damaged);
    writeFileSync(join(damaged, "distances.json"), "{");
    const data = collect([folder]);
    const [card, ...others] = data.runs.find(({ name }) => name === "hydra")?.cards ?? [];
    expect(others).toEqual([]);
    expect(card).toMatchObject({ name: "whole", examples: 12, eps: "8/255", curve: { attack: "fmn", norm: "linf" } });
    expect(card?.curve?.curve.points[0]).toMatchObject({ radius: 0, robustAccuracy: 0.75 });
    expect(data.problems).toEqual([
      "begun/distances.json is of a measurement under way: 5 of 12 images.",
      "damaged/distances.json holds no distances.",
    ]);
    expect(shown(data)).toContain("Security curves");
  });

  test("says against whom the images were attacked", () => {
    expect(shown(collect([experimentFixture()]))).toContain("attacked at eps 8/255 against dense, and");
  });

  test("an empty run folder is a run without epochs", () => {
    const folder = join(temporaryFolder(), "run");
    mkdirSync(folder);
    writeFileSync(join(folder, "run.json"), "{}");
    const text = shown(collect([folder]));
    expect(text).toContain("No network has been evaluated yet");
    expect(text).toContain("No mask search has been recorded.");
  });

  test("refuses what is no run", () => {
    const empty = temporaryFolder();
    expect(() => collect([])).toThrow(UsageError);
    expect(() => collect([empty])).toThrow(/expected a run or experiment folder/);
    expect(() => collect([join(empty, "nowhere")])).toThrow(DataError);
  });
});
