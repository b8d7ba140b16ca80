import * as fs from "node:fs";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DataError, packageVersion, UsageError } from "../util/index.js";
import { canonicalJson, differences, openRun, type RunEvent, readEvents, readManifest } from "./index.js";

vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  return { ...real, writeSync: vi.fn(real.writeSync), mkdirSync: vi.fn(real.mkdirSync) };
});

let parent = "";
let folder = "";
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "s2ap-run-"));
  folder = join(parent, "runs", "first");
});
afterEach(() => rmSync(parent, { recursive: true, force: true }));

const recipe = {
  name: "tiny",
  seed: 7,
  stages: { search: { epochs: 20, method: { name: "hydra", keepRatio: 0.1 } } },
  evaluation: [{ name: "clean" }],
};
const options = { seed: 7, name: "tiny", recipe };

function caught(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("openRun", () => {
  test("makes the folder, records what the run is, and gives the lock back", async () => {
    const seen: RunEvent[] = [];
    {
      await using run = openRun(folder, { ...options, onEvent: (event) => seen.push(event) });
      expect(run.resumed).toBe(false);
      run.append({ type: "run", name: "tiny", seed: 7 });
      expect(run.byteLength).toBe(readFileSync(run.path("events.jsonl")).length);
      expect(readdirSync(folder).sort()).toEqual(["checkpoints", "events.jsonl", "lock", "run.json"]);
      run.update({
        status: "done",
        versions: { libtorch: "1.13" },
        data: { kind: "synthetic", location: "", sha256: "0" },
      });
    }
    expect(existsSync(join(folder, "lock"))).toBe(false);
    expect(seen).toEqual(readEvents(folder));
    const manifest = readManifest(folder);
    expect(manifest).toMatchObject({
      format: 1,
      name: "tiny",
      seed: 7,
      recipe,
      status: "done",
      data: { kind: "synthetic" },
    });
    expect(manifest.versions).toEqual({ s2ap: packageVersion(), node: process.versions.node, libtorch: "1.13" });
    expect(manifest.recipeHash).toMatch(/^[0-9a-f]{64}$/);
  });

  test("resumes with the same recipe, whatever the order of its keys", () => {
    openRun(folder, options).close();
    const created = readManifest(folder).createdAt;
    const { seed, name, ...rest } = recipe;
    using run = openRun(folder, { ...options, recipe: { ...rest, name, seed, left: undefined } });
    expect(run.resumed).toBe(true);
    expect(run.manifest.createdAt).toBe(created);
    expect(run.manifest.status).toBe("running");
  });

  test("knows what is other than when it began, where that matters to the last bit", () => {
    openRun(folder, { ...options, versions: { torch: "1.13.1", precision: "bfloat16" }, threads: 2 }).close();
    expect(readManifest(folder).machine.threads).toBe(2);
    using run = openRun(folder, { ...options, versions: { torch: "1.13.1", precision: "float32" }, threads: 4 });
    expect(run.changed).toEqual([
      { path: "precision", before: "bfloat16", after: "float32" },
      { path: "threads", before: 2, after: 4 },
    ]);
    // What this one does not say has not changed, and the run stays the one that began.
    run.close();
    using again = openRun(folder, options);
    expect([again.changed, again.manifest.versions.precision]).toEqual([[], "bfloat16"]);
  });

  test("removes what a killed writer left half written, and nothing else", () => {
    openRun(folder, options).close();
    const left = [".run.json.123-0a1b2c3d.tmp", "checkpoints/.current.safetensors.4-ffffffff.tmp"];
    const kept = [".mine.tmp", "notes.tmp"];
    for (const name of [...left, ...kept]) writeFileSync(join(folder, name), "");
    openRun(folder, options).close();
    expect(left.filter((name) => existsSync(join(folder, name)))).toEqual([]);
    expect(kept.filter((name) => existsSync(join(folder, name)))).toEqual(kept);
  });

  test("refuses a changed recipe and shows every difference with both values", () => {
    openRun(folder, options).close();
    const changed = {
      ...recipe,
      seed: 8,
      stages: { search: { epochs: 10, method: { name: "hydra", keepRatio: 0.1, structure: "filters" } } },
      evaluation: [{ name: "clean" }, { name: "pgd" }],
    };
    const error = caught(() => openRun(folder, { ...options, seed: 8, recipe: changed }));
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).code).toBe("usage/recipe-changed");
    expect(error.message).toBe(
      [
        `${folder}: expected the recipe that the run in this folder began with, got a changed one`,
        "  seed: the run has 7, now 8",
        "  stages.search.epochs: the run has 20, now 10",
        '  stages.search.method.structure: the run has nothing, now "filters"',
        '  evaluation[1]: the run has nothing, now {"name":"pgd"}',
        "  Take the changes back to resume it, or choose another folder to begin anew.",
      ].join("\n"),
    );
    expect(existsSync(join(folder, "lock"))).toBe(false);
    expect(readManifest(folder).recipe).toEqual(recipe);
  });

  test("refuses a second writer and leaves the first one alone", () => {
    using run = openRun(folder, options);
    const error = caught(() => openRun(folder, options));
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(`process ${process.pid}`);
    run.append({ type: "run", name: "tiny", seed: 7 });
    expect(readEvents(folder)).toHaveLength(1);
    using inner = openRun(folder, { ...options, locked: true });
    expect(inner.resumed).toBe(true);
  });

  test("a folder that cannot be written is a DataError with the cure", () => {
    writeFileSync(join(parent, "file"), "");
    expect(caught(() => openRun(join(parent, "file", "run"), options)).message).toContain(
      "a part of the path is a file",
    );
    vi.mocked(fs.mkdirSync).mockImplementationOnce(() => {
      throw Object.assign(new Error("EROFS"), { code: "EROFS" });
    });
    const readOnly = caught(() => openRun(folder, options));
    expect(readOnly).toBeInstanceOf(DataError);
    expect(readOnly.message).toBe(
      `${folder}: cannot make the folder: the file system is read-only; choose a folder that can be written`,
    );
    vi.mocked(fs.writeSync).mockImplementationOnce(() => {
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    });
    const full = caught(() => openRun(folder, options));
    expect(full).toBeInstanceOf(DataError);
    expect(full.message).toContain("run.json: cannot write: the disk is full; free some space");
    expect(existsSync(join(folder, "lock"))).toBe(false);
    openRun(folder, options).close();
  });

  test("a damaged run.json is a DataError that says what was expected", () => {
    openRun(folder, options).close();
    writeFileSync(join(folder, "run.json"), '{"format": 2}');
    expect(caught(() => openRun(folder, options)).message).toContain("run.json: expected format to be 1, got 2");
    writeFileSync(join(folder, "run.json"), '{"format');
    expect(caught(() => readManifest(folder))).toBeInstanceOf(DataError);
    expect(caught(() => readManifest(parent)).message).toContain("without run.json");
  });
});

describe("differences", () => {
  test("is empty exactly when the canonical texts agree", () => {
    const json = fc.jsonValue({ maxDepth: 3 }).map((v) => JSON.parse(JSON.stringify(v)) as unknown);
    fc.assert(
      fc.property(json, json, (a, b) => {
        expect(differences(a, structuredClone(a))).toEqual([]);
        expect(differences(a, b).length === 0).toBe(canonicalJson(a) === canonicalJson(b));
      }),
    );
  });
});
