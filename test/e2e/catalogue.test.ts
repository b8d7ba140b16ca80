// The catalogue of runs with several processes at once, each with its own connection to the file.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";
import { CATALOGUE_FILE, catalogue } from "../../src/tracking/index.js";
import { buildDist } from "../support/child.js";
import { experimentFixture, removeFolders } from "../support/experiment-fixture.js";

afterAll(removeFolders);

/** `s2ap runs list --json`. */
function list(root: string): Promise<{ runs: unknown[]; problems: string[] }> {
  const child = spawn(process.execPath, [
    resolve("bin/s2ap.js"),
    "runs",
    "list",
    "--root",
    root,
    "--json",
    "--rebuild",
  ]);
  let text = "";
  child.stdout.on("data", (part) => {
    text += part;
  });
  return new Promise((done, failed) => {
    child.on("close", (code) => (code === 0 ? done(JSON.parse(text)) : failed(new Error(`exit code ${code}`))));
  });
}

test("several processes make and write it at once, and none loses a run", async () => {
  buildDist();
  const root = experimentFixture();
  const answers = await Promise.all(Array.from({ length: 4 }, () => list(root)));
  for (const { runs, problems } of answers) expect([runs.length, problems]).toEqual([4, []]);
  expect(existsSync(join(root, CATALOGUE_FILE))).toBe(true);
  expect(catalogue(root)).toMatchObject({ read: 0, problems: [] });
});
