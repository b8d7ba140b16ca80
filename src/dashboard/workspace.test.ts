import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  appendRaw,
  makeAttackedImages,
  makeDistances,
  makeRecord,
  makeRun,
  stepEvent,
  wholeRun,
} from "../../test/support/dashboard-runs.js";
import { openRun } from "../run/index.js";
import { DataError } from "../util/index.js";
import { curveSummaries } from "./curves.js";
import { findFolders, isInside, realRoots } from "./folders.js";
import type { PictureKind } from "./pictures.js";
import { cardDetail, cardSummaries, openPictures } from "./records.js";
import { runImages, runPicture } from "./run-images.js";
import { workspace } from "./workspace.js";

let top = "";
let root = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "s2ap-dashboard-"));
  root = join(top, "runs");
  mkdirSync(root);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const open = () => workspace([root], { fresh: 0 });

describe("findFolders", () => {
  test("finds runs and records below the roots, each once", () => {
    makeRun(join(root, "exp", "a"), wholeRun());
    makeRecord(join(root, "exp", "a", "evaluation", "0-autoattack"));
    makeRun(join(root, "b"), []);
    const found = findFolders(realRoots([root, join(root, "exp")]));
    expect(found.map(({ kind, path }) => `${kind} ${path}`).sort()).toEqual([
      "record runs/exp/a/evaluation/0-autoattack",
      "run runs/b",
      "run runs/exp/a",
    ]);
    expect(new Set(found.map(({ id }) => id)).size).toBe(3);
    expect(findFolders(realRoots([join(root, "b")])).map(({ path }) => path)).toEqual(["b"]);
  });

  test("follows no link, neither out of the roots nor in circles", () => {
    makeRun(join(top, "outside"), wholeRun());
    symlinkSync(join(top, "outside"), join(root, "link"));
    symlinkSync(root, join(root, "circle"));
    expect(findFolders(realRoots([root]))).toEqual([]);
  });

  test("a root that is a link is what it points at; one that is missing or a file is an error", () => {
    makeRun(join(root, "a"), []);
    symlinkSync(root, join(top, "root-link"));
    expect(findFolders(realRoots([join(top, "root-link"), root]))).toHaveLength(1);
    writeFileSync(join(top, "file"), "");
    for (const name of ["nothing", "file"]) expect(() => realRoots([join(top, name)])).toThrow(DataError);
  });

  test("isInside sees where a link in a run folder leads", () => {
    const folder = join(root, "a");
    makeRun(folder, []);
    writeFileSync(join(top, "secret"), "");
    writeFileSync(join(top, "runs-secret"), "");
    symlinkSync(join(top, "secret"), join(folder, "link"));
    symlinkSync(join(top, "runs-secret"), join(folder, "prefix"));
    symlinkSync(join(folder, "run.json"), join(folder, "own"));
    const [found] = findFolders(realRoots([root]));
    const inside = (name: string) => found !== undefined && isInside(found, name);
    expect(["run.json", "own"].map(inside)).toEqual([true, true]);
    expect(["link", "prefix", "../../secret", "nothing", "checkpoints"].map(inside)).toEqual(Array(5).fill(false));
  });
});

describe("workspace", () => {
  test("follows a run that another writes, and sees it stop", () => {
    const runs = open();
    expect(runs.summaries()).toEqual([]);
    const run = openRun(join(root, "a"), { seed: 1 });
    expect(runs.summaries()).toMatchObject([
      { name: "a", state: "running", path: "runs/a", progress: { stage: null } },
    ]);
    for (const event of wholeRun().slice(0, 3)) run.append(event);
    const [{ id = "" } = {}] = runs.summaries();
    expect(runs.run(id)?.detail().log.count).toBe(3);
    for (const event of wholeRun().slice(3)) run.append(event);
    expect(runs.run(id)?.detail().log.count).toBe(wholeRun().length);
    run.close();
    expect(runs.summaries()).toMatchObject([{ state: "killed" }]);
    const again = openRun(join(root, "a"), { seed: 1 });
    again.update({ status: "done" });
    again.close();
    expect(runs.summaries()).toMatchObject([{ state: "done", robustAccuracy: 0.31 }]);
    rmSync(join(root, "a"), { recursive: true });
    expect([runs.summaries(), runs.run(id)]).toEqual([[], undefined]);
  });

  test("says of a run that took its network as it was that it is done, and how far", () => {
    makeRun(join(root, "dense"), wholeRun().slice(-1));
    expect(open().summaries()).toMatchObject([{ state: "done", progress: { share: 1, stage: null } }]);
  });

  test("begins anew where a resumed run cut its log back", () => {
    const folder = join(root, "a");
    makeRun(folder, wholeRun());
    const runs = open();
    const [{ id = "" } = {}] = runs.summaries();
    const lines = readFileSync(join(folder, "events.jsonl"), "utf8").split("\n");
    truncateSync(join(folder, "events.jsonl"), lines.slice(0, 4).join("\n").length + 1);
    appendRaw(folder, { ...stepEvent("pretrain", 99), at: "" });
    expect(runs.run(id)?.detail().log.count).toBe(5);
    expect(runs.run(id)?.detail().log.stages).toMatchObject([{ stage: "pretrain", step: 99 }]);
  });

  test("shows what it can of damaged folders and says what it left out", () => {
    const folder = join(root, "a");
    makeRun(folder, wholeRun());
    appendRaw(folder, "nonsense", { type: "step", stage: "<img src=x onerror=alert(1)>" }, { type: "warning" });
    writeFileSync(join(folder, "run.json"), "{");
    const runs = open();
    const [{ id = "" } = {}] = runs.summaries();
    const detail = runs.run(id)?.detail();
    expect(detail?.problems).toEqual(["run.json cannot be read", "events.jsonl: damaged lines left out: 3"]);
    expect([detail?.summary.state, detail?.log.count]).toEqual(["unknown", wholeRun().length]);
  });

  test("takes the sparsity of a method without a search from the results, and no link's", () => {
    const path = join(root, "a", "results.json");
    makeRun(join(root, "a"), []);
    const looks = open();
    const sparsity = () => looks.summaries().map((run) => run.sparsity);
    expect(sparsity()).toEqual([null]);
    writeFileSync(path, JSON.stringify({ rows: [{ sparsity: 0.95 }] }));
    expect(sparsity()).toEqual([0.95]);
    for (const damaged of ["{", '{"rows":[]}', '{"rows":[{"sparsity":7}]}']) {
      writeFileSync(path, damaged);
      expect(sparsity()).toEqual([null]);
    }
    rmSync(path);
    writeFileSync(join(top, "other.json"), JSON.stringify({ rows: [{ sparsity: 0.5 }] }));
    symlinkSync(join(top, "other.json"), path);
    expect(sparsity()).toEqual([null]);
  });

  test("reads neither manifest nor log through a link that leads outside", () => {
    makeRun(join(top, "outside"), wholeRun(), "done", "secret");
    mkdirSync(join(root, "a"));
    for (const name of ["run.json", "events.jsonl"]) symlinkSync(join(top, "outside", name), join(root, "a", name));
    const runs = open();
    const [summary] = runs.summaries();
    expect(summary).toMatchObject({ name: "runs/a", state: "unknown", robustAccuracy: null });
    expect(JSON.stringify(runs.run(summary?.id ?? "")?.detail())).not.toContain("secret");
  });
});

describe("attacked images of a run", () => {
  const open = (folder: string) => {
    const found = findFolders(realRoots([root])).find((each) => each.folder === folder);
    if (found === undefined) throw new Error("no run");
    return found;
  };

  test("are its own, or its experiment's, with classes by name", () => {
    makeRun(join(root, "exp", "a"), []);
    const run = open(join(root, "exp", "a"));
    expect([runImages(run), runPicture(run, 0, "clean")]).toEqual([null, undefined]);
    makeAttackedImages(join(root, "exp"), ["dense", "a"]);
    const seen = { clean: "zero", adversarial: "one", cleanRight: true, adversarialRight: false };
    const example = {
      label: "zero",
      predictions: [
        { row: "dense", ...seen },
        { row: "a", ...seen },
      ],
      pictures: { clean: true, adversarial: true, difference: true },
    };
    expect(runImages(run)).toEqual({ against: "dense", eps: "8/255", examples: [example, example] });
    expect(Buffer.from(runPicture(run, 1, "difference") ?? []).toString("latin1", 1, 4)).toBe("PNG");
    expect(runPicture(run, 2, "clean")).toBeUndefined();
    makeAttackedImages(join(root, "exp", "a"), ["a"]);
    expect(runImages(run)?.against).toBe("a");
  });

  test("are not read from above the root, nor through a link that leads there, nor what is no picture", () => {
    makeRun(join(root, "a"), []);
    makeAttackedImages(top);
    const [found] = findFolders(realRoots([join(root, "a")]));
    expect(found && runImages(found)).toBeNull();
    const run = open(join(root, "a"));
    symlinkSync(join(top, "images.json"), join(root, "a", "images.json"));
    expect(runImages(run)).toBeNull();
    rmSync(join(root, "a", "images.json"));
    writeFileSync(join(root, "a", "images.json"), '{"examples":[{"label":1,"clean":"PHN2Zz4=","predictions":{}}]}');
    expect(runImages(run)?.examples[0]?.pictures.clean).toBe(false);
    expect(runPicture(run, 0, "clean")).toBeUndefined();
    writeFileSync(join(root, "a", "images.json"), "{");
    expect(runImages(run)).toBeNull();
  });
});

describe("records", () => {
  const record = (options = {}) => {
    makeRecord(join(root, "r"), options);
    const [found] = findFolders(realRoots([root]));
    if (found === undefined) throw new Error("no record");
    return found;
  };

  test("are read, with the names of classes and the pictures there are", async () => {
    const found = record();
    expect(cardSummaries([found])).toMatchObject([{ path: "runs/r", model: "resnet18", examples: 6 }]);
    const detail = cardDetail(found);
    expect(detail).toMatchObject({ classNames: ["cat"], pictures: { clean: [], adversarial: [1, 4] } });
    expect(detail.images.map(({ brokenBy }) => brokenBy)).toEqual([null, "apgd-ce", "clean", null, "apgd-ce", "clean"]);
    const pictures = openPictures(found);
    const png = await pictures.png(4, "adversarial");
    expect(
      Buffer.from(png ?? [])
        .subarray(1, 4)
        .toString(),
    ).toBe("PNG");
    const { default: sharp } = await import("sharp");
    const raw = await sharp(png).raw().toBuffer({ resolveWithObject: true });
    expect([raw.info.width, raw.info.height, raw.info.channels]).toEqual([4, 4, 3]);
    // The second stored point; values count up through [C,H,W].
    expect([...raw.data.subarray(0, 6)]).toEqual([48, 64, 80, 49, 65, 81]);
    for (const [index, kind] of [
      [0, "adversarial"],
      [4, "clean"],
      [4, "difference"],
      [999, "adversarial"],
    ] as const) {
      expect(await pictures.png(index, kind)).toBeUndefined();
    }
  });

  test("have clean images and differences where they were kept, in one channel too", async () => {
    const found = record({ shape: [1, 2, 2], clean: 4, indices: [10, 11, 12, 13, 14, 15], classNames: ["cat", "dog"] });
    const detail = cardDetail(found);
    expect(detail).toMatchObject({
      classNames: ["cat", "dog"],
      pictures: { clean: [10, 11, 12, 13], adversarial: [11, 14] },
    });
    const pictures = openPictures(found);
    const { default: sharp } = await import("sharp");
    const grey = async (index: number, kind: PictureKind) => {
      const png = await pictures.png(index, kind);
      return png && [...(await sharp(png).extractChannel(0).raw().toBuffer())];
    };
    expect(await grey(13, "clean")).toEqual([13, 13, 13, 13]);
    expect(await grey(11, "adversarial")).toEqual([0, 1, 2, 3]);
    // Changes of -11, -10, -9 and -8 of 255, the largest of them black.
    expect(await grey(11, "difference")).toEqual([-11, -10, -9, -8].map((d) => Math.round(255 * (0.5 + d / 22))));
    expect([await grey(14, "clean"), await grey(14, "difference")]).toEqual([undefined, undefined]);
  });

  test("whose images are damaged, or none to draw, are shown without them", async () => {
    const found = record({ clean: 6, shape: [2, 4, 4] });
    expect(cardDetail(found).pictures).toEqual({ clean: [], adversarial: [] });
    makeRecord(join(root, "r"), { clean: 6 });
    truncateSync(join(root, "r", "clean.safetensors"), 100);
    expect(cardDetail(found).pictures).toEqual({ clean: [], adversarial: [1, 4] });
    expect(await openPictures(found).png(1, "difference")).toBeUndefined();
    writeFileSync(join(top, "clean.safetensors"), "");
    rmSync(join(root, "r", "clean.safetensors"));
    symlinkSync(join(top, "clean.safetensors"), join(root, "r", "clean.safetensors"));
    expect(cardDetail(found).pictures.clean).toEqual([]);
  });

  test("that are damaged are left out of the list, and an error by themselves", () => {
    const found = record();
    writeFileSync(join(root, "r", "card.json"), '{"format":1}');
    expect(cardSummaries([found])).toEqual([]);
    expect(() => cardDetail(found)).toThrow("runs/r/card.json: expected what an evaluation wrote");
  });

  test("are not read through a link that leads outside", () => {
    const found = record();
    for (const name of ["images.json", "adversarial.safetensors"]) {
      rmSync(join(root, "r", name));
      writeFileSync(join(top, name), "[]");
      symlinkSync(join(top, name), join(root, "r", name));
    }
    expect(() => cardDetail(found)).toThrow(DataError);
    expect(() => openPictures(found)).toThrow(DataError);
  });
});

describe("distances", () => {
  const found = () => curveSummaries(findFolders(realRoots([root])));

  test("are a record with a curve, with a card and without one", () => {
    makeDistances(join(root, "a/evals/curve"), [0, 0.01, 0.05, null]);
    makeDistances(join(root, "b"), [0.02], 3);
    makeRecord(join(root, "b"));
    expect(found()).toMatchObject([
      {
        ...{ path: "runs/a/evals/curve", model: "resnet18", attack: "fmn", norm: "linf", eps: "8/255", images: 4 },
        ...{ examples: 4, cleanAccuracy: 0.75, robustAccuracy: 0.5, medianDistance: 0.05 },
        points: [
          [0, 0.75],
          [0.01, 0.5],
          [0.05, 0.25],
        ],
      },
      { path: "runs/b", images: 3, examples: 1 },
    ]);
    expect(cardSummaries(open().records()).map(({ path }) => path)).toEqual(["runs/b"]);
  });

  test("of many images are thinned to real points, with both ends", () => {
    const distances = Array.from({ length: 2000 }, (_, i) => i / 1000);
    makeDistances(join(root, "a"), distances);
    const points = found()[0]?.points ?? [];
    expect(points.length).toBeLessThanOrEqual(501);
    expect(points[0]).toEqual([0, 0.9995]);
    expect(points.at(-1)).toEqual([1.999, 0]);
    for (const [radius, share] of points) expect(share).toBeCloseTo(1 - (1000 * radius + 1) / 2000, 9);
  });

  test("that are none, not begun, damaged or behind a link are left out", () => {
    makeDistances(join(root, "a"), [], 3);
    for (const [name, text] of [
      ["b", "{"],
      ["c", '{"format":1}'],
    ] as const) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, "distances.json"), text);
    }
    makeDistances(top, [0.1]);
    mkdirSync(join(root, "d"));
    symlinkSync(join(top, "distances.json"), join(root, "d/distances.json"));
    expect(found()).toEqual([]);
  });
});
