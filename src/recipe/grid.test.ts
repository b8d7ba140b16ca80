import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { expandGrid } from "./grid.js";
import { loadGrid } from "./grid-load.js";
import { registries } from "./registries.js";

describe("the cells of a grid", () => {
  test("come in order, the last choice changing fastest", () => {
    const points = expandGrid({
      "search.method.name": ["hydra", "harp"],
      gradient: { plain: {}, s2ap: { g: 1 } },
      seed: [1, 2],
    });
    expect(points.map(({ name }) => name)).toEqual([
      "hydra-plain-1",
      "hydra-plain-2",
      "hydra-s2ap-1",
      "hydra-s2ap-2",
      "harp-plain-1",
      "harp-plain-2",
      "harp-s2ap-1",
      "harp-s2ap-2",
    ]);
    expect(points[6]).toEqual({
      name: "harp-s2ap-1",
      at: { "search.method.name": "harp", gradient: "s2ap", seed: "1" },
      overs: [{ search: { method: { name: "harp" } } }, { g: 1 }, { seed: 1 }],
    });
  });

  test("leave out what is excluded: points that have all of its labels", () => {
    const axes = { method: ["hydra", "magnitude"], gradient: ["plain", "s2ap"], seed: [1, 2] };
    const names = (exclude: readonly Record<string, string | number>[]) =>
      expandGrid(axes, { exclude }).map((p) => p.name);
    expect(names([{ method: "magnitude", gradient: "s2ap" }])).toHaveLength(6);
    expect(names([{ method: "magnitude", gradient: "s2ap" }])).not.toContain("magnitude-s2ap-1");
    expect(names([{ method: "magnitude" }, { gradient: "s2ap", seed: 2 }])).toEqual([
      "hydra-plain-1",
      "hydra-plain-2",
      "hydra-s2ap-1",
    ]);
  });

  test.each([
    ["no choice", {}, [], "grid: expected at least one choice in axes"],
    ["a choice without values", { seed: [] }, [], "grid: expected values of seed"],
    ["a label twice", { seed: [1, "1"] }, [], "grid: expected labels of seed of letters"],
    ["a label that is no part of a folder's name", { m: { "a/b": {} } }, [], 'and "_", all different, got "a/b"'],
    ["an unknown choice to exclude", { seed: [1] }, [{ sed: 1 }], "exclude to name choices (seed)"],
    ["an unknown label to exclude", { seed: [1] }, [{ seed: 3 }], "exclude to name 1, got"],
  ])("refuses %s", (_name, axes, exclude, message) => {
    expect(() => expandGrid(axes, { exclude })).toThrow(message);
  });
});

describe("recipes/grids/hosts.yaml", () => {
  const path = fileURLToPath(new URL("../../recipes/grids/hosts.yaml", import.meta.url));

  test("has every host with and without S2AP, magnitude, and two seeds, on the quickstart's network", () => {
    const { cells, dense } = loadGrid(path, { registries });
    const pairs = ["hydra", "harp", "rst"].flatMap((host) => [`${host}-plain`, `${host}-s2ap`]);
    const names = [...pairs, "magnitude-plain"].flatMap((name) => [`${name}-1`, `${name}-2`]);
    expect(cells.map(({ name }) => name)).toEqual(names);
    for (const { recipe, at } of cells) {
      expect(recipe.stages.search?.method).toMatchObject({ name: at.method, keepRatio: 0.05 });
      expect(recipe.stages.search?.gradient.name).toBe(at.gradient);
      expect(recipe.stages.search?.epochs).toBe({ rst: 6, magnitude: 0 }[at.method ?? ""] ?? 3);
      expect(recipe.stages.finetune?.epochs).toBe(2);
      expect(recipe.stages.pretrain === undefined).toBe(at.method === "rst");
      expect(String(recipe.seed)).toBe(at.seed);
    }
    expect(dense.stages).toEqual({ pretrain: cells[0]?.recipe.stages.pretrain });
    expect(dense.seed).toBe(1234);
  });

  test("is as good with the profile tiny, and knows no other", () => {
    expect(loadGrid(path, { registries, profile: "tiny" }).cells[0]?.recipe.data.name).toBe("synthetic");
    expect(() => loadGrid(path, { registries, profile: "tine" })).toThrow("tiny");
  });
});

describe("recipes/grids/sharpness.yaml", () => {
  const path = fileURLToPath(new URL("../../recipes/grids/sharpness.yaml", import.meta.url));

  test("has HYDRA with and without S2AP over three seeds, the other radii once, and no finetuning at 95 %", () => {
    const { cells, sharpness, claims, sweeps } = loadGrid(path, { registries });
    const three = (name: string) => [1, 2, 3].map((seed) => `${name}-${seed}`);
    const at90 = [...three("90-plain"), "90-s2ap_0.003-1", ...three("90-s2ap_0.01"), "90-s2ap_0.03-1", "90-s2ap_0.1-1"];
    expect(cells.map(({ name }) => name)).toEqual([...at90, ...three("95-plain"), ...three("95-s2ap_0.01")]);
    for (const { recipe, at } of cells) {
      const { search, finetune } = recipe.stages;
      expect(search).toMatchObject({
        epochs: 3,
        method: { name: "hydra", keepRatio: at.sparsity === "90" ? 0.1 : 0.05 },
      });
      const gamma = sweeps?.gamma?.[at.gamma ?? ""];
      expect(search?.gradient).toMatchObject(gamma === undefined ? { name: "plain" } : { name: "s2ap", gamma });
      expect(finetune?.epochs).toBe(at.sparsity === "90" ? 2 : undefined);
    }
    expect(Object.values(sweeps?.gamma ?? {})).toEqual([0.003, 0.01, 0.03, 0.1]);
    expect(claims).toEqual({ axis: "gamma", base: "plain", other: "s2ap_0.01" });
    expect(sharpness).toMatchObject({ epochs: ["start", "end"], images: 128, lanczosSteps: 20, layers: false });
  });

  test("is as good with the profile tiny", () => {
    expect(loadGrid(path, { registries, profile: "tiny" }).cells).toHaveLength(15);
  });
});
