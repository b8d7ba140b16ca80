import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { importCycles, importsOf, layerErrors, readTree, type Tree } from "./support/layers.js";

const source = readTree(fileURLToPath(new URL("../src", import.meta.url)));

describe("the sources", () => {
  test("are found", () => {
    expect(source.has("index.ts")).toBe(true);
    expect(source.has("util/errors.ts")).toBe(true);
    expect([...source.keys()].filter((path) => path.endsWith(".test.ts"))).toEqual([]);
  });

  test("import only from the layers below", () => {
    expect(layerErrors(source)).toEqual([]);
  });

  test("have no import cycles", () => {
    expect(importCycles(source)).toEqual([]);
  });
});

describe("the checker", () => {
  const tree = (files: Record<string, string>): Tree => new Map(Object.entries(files));
  const importing = (path: string): string => `import { x } from "${path}";\n`;

  test("reads every form of import, and no others", () => {
    const text = `
      import "./side-effect.js";
      import one, { two } from './named.js';
      import type { Three } from "./type.js";
      import { type Four } from "./inline-type.js"; // stays as a side effect under verbatimModuleSyntax
      import {
        five,
        type Six,
      } from "../many/lines.js";
      import * as fs from "node:fs";
      export * from "./star.js";
      export * as ops from "./star-as.js";
      export type { Seven } from "./export-type.js";
      export const from = "./not-an-import.js";
      // import { a } from "./comment.js";
      /* import { b } from "./block.js"; */
      const lazy = await import("./lazy.js");
      const worker = new Worker(new URL("./worker.js", import.meta.url));
      const asset = new URL("./page.html", import.meta.url);
    `;
    const values = importsOf(text).filter(({ type }) => !type);
    const types = importsOf(text).filter(({ type }) => type);
    expect(values.map(({ specifier }) => specifier)).toEqual([
      "./side-effect.js",
      "./named.js",
      "./inline-type.js",
      "../many/lines.js",
      "./star.js",
      "./star-as.js",
      "./lazy.js",
      "./worker.js",
    ]);
    expect(types.map(({ specifier }) => specifier)).toEqual(["./type.js", "./export-type.js"]);
  });

  test.each([
    ["an import from below", "train/step.ts", "pruning/mask.ts"],
    ["an import from the same folder", "nn/conv.ts", "nn/params.ts"],
    ["an import from the same row", "optim/sgd.ts", "nn/params.ts"],
    ["a leaf", "torch/tensor.ts", "util/errors.ts"],
    ["the run folder from the middle", "pruning/hydra.ts", "run/events.ts"],
    ["a leaf that uses the other", "run/folder.ts", "util/files.ts"],
    ["the index", "index.ts", "cli/main.ts"],
  ])("accepts %s", (_, from, to) => {
    expect(layerErrors(tree({ [from]: importing(`${from.includes("/") ? "../" : "./"}${js(to)}`), [to]: "" }))).toEqual(
      [],
    );
  });

  test.each([
    ["an import from above", "pruning/mask.ts", "train/step.ts"],
    ["attacks that know losses", "attacks/pgd.ts", "losses/trades.ts"],
    ["a leaf that knows a layer", "run/events.ts", "torch/tensor.ts"],
    ["util that knows run", "util/errors.ts", "run/events.ts"],
    ["a layer that imports the index", "models/resnet.ts", "index.ts"],
    ["an unknown folder", "helpers/misc.ts", "util/errors.ts"],
  ])("refuses %s", (_, from, to) => {
    expect(layerErrors(tree({ [from]: importing(`../${js(to)}`), [to]: "" }))).not.toEqual([]);
  });

  test("refuses a type import from above, a lazy one and a worker", () => {
    for (const text of [
      'import type { Step } from "../train/step.js";',
      'const { step } = await import("../train/step.js");',
      'new Worker(new URL("../train/step.js", import.meta.url));',
    ]) {
      expect(layerErrors(tree({ "losses/trades.ts": text, "train/step.ts": "" }))).toEqual([
        "losses/trades.ts: losses may not import train (train/step.ts)",
      ]);
    }
  });

  test("refuses two folders of one row that import one another, even if only types", () => {
    const files = {
      "nn/a.ts": importing("../optim/b.js"),
      "optim/c.ts": 'import type { A } from "../nn/a.js";',
      "optim/b.ts": "",
    };
    expect(layerErrors(tree(files))).toEqual(["folders import one another: nn -> optim -> nn"]);
  });

  test("refuses an import that leaves the sources", () => {
    expect(layerErrors(tree({ "util/a.ts": importing("../../test/support/x.js") }))).toEqual([
      "util/a.ts: imports ../../test/support/x.js, which is no source file of the tree",
    ]);
  });

  test("finds cycles of values and lets those of types be", () => {
    const files = { "nn/a.ts": importing("./b.js"), "nn/b.ts": importing("./c.js"), "nn/c.ts": importing("./a.js") };
    expect(importCycles(tree(files))).toEqual([["nn/a.ts", "nn/b.ts", "nn/c.ts", "nn/a.ts"]]);
    expect(importCycles(tree({ ...files, "nn/c.ts": 'import type { A } from "./a.js";' }))).toEqual([]);
    expect(importCycles(tree({ "nn/a.ts": importing("./a.js") }))).toEqual([["nn/a.ts", "nn/a.ts"]]);
  });

  function js(path: string): string {
    return path.replace(/\.ts$/, ".js");
  }
});
