// The page of `s2ap dashboard` in a real browser.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { type NewEvent, openRun } from "../../src/run/index.js";
import {
  epochEvent,
  landscapeRecord,
  makeDistances,
  makeLandscape,
  makeMasks,
  makeRecord,
  makeRun,
  maskNumbers,
  recipe,
  sharpnessOfLayers,
  stepEvent,
  wholeRun,
} from "../support/dashboard-runs.js";
import { inBrowser, LivePage, soon } from "../support/live-page.js";

const live = new LivePage();

/** Charts that are drawn; each has one canvas or more. */
const charts = (of: Page) => of.locator("figure:has(canvas)");
const text = (of: Page, selector: string) => of.locator(selector).textContent();

inBrowser("a run that begins appears, moves and ends, in the list and on its page", async () => {
  const view = await live.open();
  await view.getByText("There is no run here yet").waitFor();
  const run = openRun(join(live.root, "fresh"), { seed: 5, recipe });
  const events = wholeRun();
  const row = view.locator("tbody tr");
  await row.getByText("▶ running").waitFor();
  for (const event of events.splice(0, 4)) run.append(event);
  await row.getByText("pretrain 20 %").waitFor();

  await view.getByRole("link", { name: "fresh" }).click();
  await view.getByRole("heading", { level: 1, name: "fresh" }).waitFor();
  await view.getByText("4 events").waitFor();
  await soon(() => charts(view).count()).toBe(2);
  const loss = view.getByRole("img", { name: /^Training loss/ });
  await soon(() => loss.getAttribute("aria-label")).toContain("mean of the epoch: 2.000");
  run.append(epochEvent("pretrain", 1, { loss: 1.25 }));
  await view.getByRole("img", { name: /mean of the epoch: 1\.250/ }).waitFor();

  for (const event of events) run.append(event);
  await view.getByText("Attacks on the finished network").waitFor();
  await view.getByRole("img", { name: /^Share of each layer's mask/ }).waitFor();
  await soon(() => text(view, ".timeline")).toContain("Mask search");
  run.update({ status: "done" });
  run.close();
  await view.getByText("✓ done").first().waitFor();
});

inBrowser("after the server was away and back, nothing is missing and nothing is double", async () => {
  const folder = join(live.root, "a");
  using run = openRun(folder, { seed: 5, recipe });
  for (let i = 1; i <= 100; i++) run.append(stepEvent("search", i));
  const view = await live.open();
  await view.getByRole("link", { name: "a", exact: true }).click();
  await view.getByText("100 events").waitFor();
  await soon(() => charts(view).count()).toBe(2);

  const { port } = live.dashboard;
  await live.dashboard.close();
  await view.getByText("connection lost").waitFor();
  for (let i = 101; i <= 150; i++) run.append(stepEvent("search", i));
  await live.start(port);
  await view.getByText("150 events").waitFor();
  await view.getByText("● live").waitFor();
  run.append(epochEvent("search", 4));
  await view.getByText("151 events").waitFor();

  // A resumed run cuts its log back to its checkpoint, and goes on.
  run.truncate(readFileSync(join(folder, "events.jsonl"), "utf8").split("\n").slice(0, 10).join("\n").length + 1);
  run.append(stepEvent("search", 11));
  await view.getByText("11 events").waitFor();
  // The refused connections while it was away are the browser's own remark, and what this test is about.
  const remarks = live.browser.faults
    .splice(0)
    .filter((fault) => !/ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY/.test(fault));
  expect(remarks).toEqual([]);
});

inBrowser("runs are filtered, sorted and compared", async () => {
  makeRun(join(live.root, "hydra"), wholeRun());
  makeRun(join(live.root, "s2ap"), wholeRun());
  makeRun(join(live.root, "other"), [stepEvent("search", 1)], "failed");
  makeMasks(join(live.root, "hydra"), { "conv1.weight": [1, 1, 1, 0], "fc.weight": [1, 0] });
  makeMasks(join(live.root, "s2ap"), { "conv1.weight": [1, 1, 0, 1], "fc.weight": [1, 0] });
  const view = await live.open();
  const names = () => view.locator("tbody th a").allInnerTexts();
  await view.getByText("3 of 3 runs").waitFor();
  await view.getByRole("button", { name: "Run", exact: false }).first().click();
  await soon(names).toEqual(["hydra", "other", "s2ap"]);
  await soon(() => view.locator("th[aria-sort=ascending]").textContent()).toContain("Run");
  await view.getByRole("button", { name: "Run", exact: false }).first().click();
  await soon(names).toEqual(["s2ap", "other", "hydra"]);
  await view.getByLabel("State").selectOption("failed");
  await soon(names).toEqual(["other"]);
  await view.getByLabel("State").selectOption("");
  await view.getByLabel("Filter").fill("2AP hydra");
  await soon(names).toEqual(["s2ap", "other", "hydra"]); // the method and the gradient of all three
  await view.getByLabel("Filter").fill("hydra/");
  await soon(names).toEqual([]);
  await view.getByLabel("Filter").fill("");

  await view.getByLabel("Compare hydra").check();
  await view.getByLabel("Compare s2ap").check();
  await view.getByRole("link", { name: "Compare 2 runs" }).click();
  await view.getByRole("heading", { name: "Compare 2 runs" }).waitFor();
  expect(await view.locator("table.compare tbody tr").count()).toBe(2);
  expect(await text(view, "table.compare")).toContain("within the 95 % intervals: not shown");
  await soon(() => charts(view).count()).toBe(4);
  await soon(() => view.locator("table.masks tbody tr").allInnerTexts()).toEqual([
    expect.stringMatching(/^all layers\s25\.00$/),
    expect.stringMatching(/^conv1\.weight\s33\.33$/),
    expect.stringMatching(/^fc\.weight\s0\.00$/),
  ]);
  // Lines without symbols are told apart by dashes.
  const loss = view.locator("figure", { hasText: "Training loss" });
  const dashes = await loss
    .locator(".legend path")
    .evaluateAll((all) => all.map((path) => path.getAttribute("stroke-dasharray") ?? ""));
  expect(dashes).toHaveLength(2);
  expect(new Set(dashes).size).toBe(2);
  // The address holds the comparison.
  await view.reload();
  await soon(() => view.locator("table.compare tbody tr").count()).toBe(2);
});

inBrowser("twelve runs are compared live, more than a browser has connections to one host", async () => {
  const names = Array.from({ length: 12 }, (_, i) => `run-${i}`);
  for (const name of names) makeRun(join(live.root, name), wholeRun());
  // The last of them: the first ones would get through even if each had a connection of its own.
  const last = openRun(join(live.root, "run-11"), { seed: 7, recipe });
  const view = await live.open();
  await view.getByText("12 of 12 runs").waitFor();
  for (const name of names) await view.getByLabel(`Compare ${name}`, { exact: true }).check();
  await view.getByRole("link", { name: "Compare 12 runs" }).click();
  await soon(() => view.locator("table.compare tbody tr").count()).toBe(12);
  await soon(() => charts(view).count()).toBe(4);
  await view.getByText("▶ running").waitFor();
  last.append({ ...(wholeRun().at(-1) as NewEvent & { type: "evaluation" }), robustAccuracy: 0.555 });
  await view.getByText("55.5").waitFor();
  last.close();
});

inBrowser("records without a card are listed with their security curves", async () => {
  makeDistances(join(live.root, "a/curve"), [0, 0.01, 0.05, null], 8);
  const view = await live.open("#/cards");
  const rows = () => view.locator("table.curves tbody tr").allInnerTexts();
  await soon(rows).toEqual([expect.stringMatching(/a\/curve\s+resnet18\s+fmn\s+linf 8\/255\s+4 of 8\s+75\.0\s+50\.0/)]);
  await view.getByRole("img", { name: /a\/curve: 50\.0 % at 8\/255\./ }).waitFor();
  await soon(() => charts(view).count()).toBe(1);
  makeDistances(join(live.root, "a/curve"), [0, 0.01, 0.05, null, 0, 0, 0, 0]);
  await soon(rows).toEqual([expect.stringMatching(/linf 8\/255\s+8\s+37\.5\s+25\.0/)]);
});

const HOSTILE = `<img src=x onerror="alert('h')"><script>alert(1)</script>`;

inBrowser("names and texts from run files are text, wherever they stand", async () => {
  const layers = { [HOSTILE]: 0.1, "{b|rich}": 0.2, __proto__: 0.1 };
  const numbers = maskNumbers(0.01);
  const epoch = epochEvent("search", 0, {
    ...numbers,
    maskDistance: { ...numbers.maskDistance, layers },
    sparsity: { total: 0.9, layers },
  });
  const warning = { type: "warning", code: HOSTILE, message: `${HOSTILE}\u202e javascript:alert(1)` } as const;
  for (const name of ["a", "b"]) {
    makeRun(join(live.root, name), [...wholeRun(), epoch, warning], "done", HOSTILE);
    makeLandscape(
      join(live.root, name),
      landscapeRecord(1, { directions: [HOSTILE, "{b|x}"] }),
      "landscape-<img src=x>.json",
    );
    makeLandscape(join(live.root, name), landscapeRecord(1, { directions: [HOSTILE] }));
    writeFileSync(
      join(live.root, name, "sharpness.json"),
      JSON.stringify(sharpnessOfLayers).replaceAll('"fc.weight"', JSON.stringify(HOSTILE)),
    );
  }
  makeRecord(join(live.root, "r"), { className: HOSTILE });
  const view = await live.open();
  const inert = async () => {
    expect(await view.locator("img[src=x], main script, iframe, [onerror]").count()).toBe(0);
    await view.getByText("<script>alert(1)</script>").first().waitFor();
  };
  await inert();
  // Names of runs that are equal give way to their paths.
  for (const path of ["a", "b"]) await view.getByLabel(new RegExp(`^Compare .*/${path}$`)).waitFor();
  await view.locator("input[type=checkbox]").first().check();
  await view.locator("input[type=checkbox]").nth(1).check();
  await view.getByRole("link", { name: "Compare 2 runs" }).click();
  await soon(() => charts(view).count()).toBe(5);
  expect(await view.locator("img[src=x], main script, [onerror]").count()).toBe(0);
  await view.locator("table.compare th a").first().click();
  await inert();
  // The tooltips of charts, too.
  for (const chart of await view.locator("figure [role=img]").all()) await chart.hover();
  await inert();
  await view.goto(`${live.dashboard.url}#/cards`);
  await view.getByRole("link", { name: /r$/ }).click();
  await inert();
  await view.goto(`${live.dashboard.url}#/run/${encodeURIComponent(HOSTILE)}`);
  await view.getByRole("heading", { name: "Runs" }).waitFor();
});

inBrowser("everything is reached with the keyboard, and the focus is seen", async () => {
  makeRun(join(live.root, "alpha"), wholeRun());
  makeRun(join(live.root, "beta"), wholeRun());
  const view = await live.open();
  await view.getByText("2 of 2 runs").waitFor();
  const focused = () =>
    view.evaluate(
      "document.activeElement.innerText || document.activeElement.ariaLabel || document.activeElement.tagName",
    );
  const tabTo = async (wanted: RegExp) => {
    for (let i = 0; i < 40; i++) {
      await view.keyboard.press("Tab");
      if (wanted.test(String(await focused()))) return;
    }
    throw new Error(`no ${wanted} within 40 tabs`);
  };
  expect(await view.title()).toBe("Runs · s2ap");
  await tabTo(/^Evaluations/);
  expect(await view.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
  await tabTo(/^Run /);
  await view.keyboard.press("Enter");
  await soon(() => view.locator("tbody th a").allInnerTexts()).toEqual(["alpha", "beta"]);
  await tabTo(/^Compare alpha/);
  await view.keyboard.press("Space");
  await tabTo(/^alpha$/);
  await tabTo(/^Compare beta/);
  await view.keyboard.press("Space");
  await view.getByRole("link", { name: "Compare 2 runs" }).focus();
  await view.keyboard.press("Enter");
  await view.getByRole("heading", { name: "Compare 2 runs" }).waitFor();
  await soon(() => view.evaluate("document.activeElement.tagName")).toBe("MAIN");
  await tabTo(/^alpha$/);
  await view.keyboard.press("Enter");
  await view.getByRole("heading", { level: 1, name: "alpha" }).waitFor();
  expect(await view.title()).toBe("alpha · s2ap");
  await tabTo(/^Recipe, with every default/);
  await view.keyboard.press("Enter");
  await view.locator("pre").first().waitFor({ state: "visible" });
});

inBrowser("dark pages, narrow ones and a run without any event are whole too", async () => {
  makeRun(join(live.root, "empty"), []);
  makeRun(join(live.root, "whole"), wholeRun());
  writeFileSync(join(live.root, "whole/sharpness.json"), JSON.stringify(sharpnessOfLayers));
  makeLandscape(join(live.root, "whole"), landscapeRecord(2));
  const view = await live.open();
  await view.emulateMedia({ colorScheme: "dark" });
  await view.setViewportSize({ width: 380, height: 700 });
  await view.getByRole("link", { name: "empty" }).click();
  await view.getByText("0 events").waitFor();
  await view.goto(live.dashboard.url);
  await view.getByRole("link", { name: "whole" }).click();
  await soon(() => charts(view).count()).toBe(6);
  await soon(() => view.locator("table.sharpness tbody tr").allInnerTexts()).toEqual([
    expect.stringContaining("0.031 ± 1.0e-4"),
    expect.stringContaining("0.125"),
  ]);
  const layers = () => view.locator("table.by-layer tbody tr").allInnerTexts();
  await soon(layers).toEqual([
    expect.stringMatching(/^conv1\.weight\s2\.000 ± 0\.250\s+6\.000 ± 0\.250$/),
    expect.stringMatching(/^fc\.weight\s1\.000\s+1\.000$/),
  ]);
  await view.getByLabel("Quantity").selectOption("share of scores within 0.01 of the threshold");
  await soon(layers).toEqual([expect.stringMatching(/^conv1\.weight\s0\.125\s+0\.125$/)]);
  await view
    .getByRole("img", { name: /^Scores near the threshold.*: all, after 2: 4\.0 %; all, after 0: 2\.0 %\./ })
    .waitFor();
  await view.getByRole("img", { name: /as a surface/ }).waitFor();
  const wide = await view.evaluate("document.documentElement.scrollWidth");
  expect(wide).toBeLessThanOrEqual(380);
  await view.emulateMedia({ colorScheme: "light" });
  await view.getByText("Attacks on the finished network").waitFor();
});
