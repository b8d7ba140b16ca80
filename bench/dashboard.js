#!/usr/bin/env node
// node bench/dashboard.js [--json]: how long the page of `s2ap dashboard` takes to open in headless Chromium, from a server that has just
// been started to the last row or chart: 500 runs, a run of 200,000 events, and 12 runs compared. The goal is 2 s each.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { startDashboard } from "../dist/dashboard/index.js";

const at = (i) => new Date(Date.UTC(2026, 0, 1) + 1000 * i).toISOString();
const layers = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`layer${i}.conv.weight`, 0.01 * i]));

/** A log of one stage with this many samples, an epoch for each 100. */
function logOf(samples) {
  const epochs = Math.ceil(samples / 100);
  const lines = [
    { type: "run", at: at(0), name: "made", seed: 1 },
    { type: "stage", at: at(0), stage: "search", status: "start", epochs, steps: 100, step: 0 },
  ];
  for (let step = 1; step <= samples; step++) {
    const common = { at: at(step), stage: "search", epoch: Math.floor((step - 1) / 100), lr: 0.1 };
    lines.push({ type: "step", ...common, step, loss: 2 + Math.sin(step), robustAccuracy: 0.3, imagesPerSecond: 99 });
    if (step % 100 !== 0) continue;
    const measured = { loss: 2, cleanAccuracy: 0.5, robustAccuracy: 0.3, selectionExamples: 300, seconds: 60 };
    const mask = { maskDistance: { hamming: 0.01, perKept: 0.05, layers }, sparsity: { total: 0.9, layers } };
    lines.push({ type: "epoch", ...common, ...measured, passes: { forward: 1, backward: 1 }, ...mask });
  }
  return `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`;
}

function makeRun(folder, name, log) {
  mkdirSync(join(folder, name), { recursive: true });
  const manifest = {
    ...{ format: 1, name, recipe: null, recipeHash: "", seed: 1, versions: {}, data: null },
    machine: { platform: "", cpu: "", cores: 2, memoryBytes: 1 },
    ...{ createdAt: at(0), status: "done" },
  };
  writeFileSync(join(folder, name, "run.json"), JSON.stringify(manifest));
  writeFileSync(join(folder, name, "events.jsonl"), log);
}

/** Seconds from asking a new server for a page until it shows what it should. */
async function seconds(context, folder, hash, ready) {
  const dashboard = await startDashboard([folder], { port: 0 });
  const page = await context.newPage();
  const begin = performance.now();
  await page.goto(dashboard.url + hash);
  await ready(page);
  const took = (performance.now() - begin) / 1000;
  await page.close();
  await dashboard.close();
  return took;
}

/** Ids are the same in every process: to ask the measured server for them would warm it up. */
async function idsOf(folder) {
  const dashboard = await startDashboard([folder], { port: 0 });
  const runs = await (await fetch(`${dashboard.url}api/runs`)).json();
  await dashboard.close();
  return runs.map(({ id }) => id);
}

const folder = mkdtempSync(join(tmpdir(), "s2ap-bench-dashboard-"));
const profile = join(folder, "profile");
const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];
const context = await chromium.launchPersistentContext(profile, {
  executablePath: "/usr/bin/chromium",
  args: [...flags, "--disable-component-update", "--disable-sync"],
});
try {
  const [many, long, twelve] = ["many", "long", "twelve"].map((name) => join(folder, name));
  const log = logOf(100);
  for (let i = 0; i < 500; i++) makeRun(many, `run-${i}`, log);
  makeRun(long, "long", logOf(200_000));
  for (let i = 0; i < 12; i++) makeRun(twelve, `run-${i}`, logOf(2000));
  const [longId] = await idsOf(long);
  const twelveIds = await idsOf(twelve);
  const canvases = (n) => (page) =>
    page.waitForFunction((most) => document.querySelectorAll("canvas").length >= most, n);
  const rows = (n) => (page) => page.waitForFunction((most) => document.querySelectorAll("tbody tr").length >= most, n);
  const cases = {
    "500 runs": [many, "", rows(500)],
    "a run of 200,000 events": [long, `#/run/${longId}`, canvases(4)],
    "12 runs compared": [twelve, `#/compare/${twelveIds.join()}`, canvases(4)],
  };
  const results = [];
  for (const [name, [where, hash, ready]] of Object.entries(cases)) {
    const times = [];
    for (let i = 0; i < 3; i++) times.push(await seconds(context, where, hash, ready));
    results.push({ name, seconds: times, goal: 2, holds: Math.max(...times) < 2 });
  }
  if (process.argv.includes("--json")) console.log(JSON.stringify(results, null, 2));
  else for (const each of results) console.log(`${each.name}: ${each.seconds.map((s) => s.toFixed(2)).join(", ")} s`);
} finally {
  await context.close();
  rmSync(folder, { recursive: true, force: true });
}
