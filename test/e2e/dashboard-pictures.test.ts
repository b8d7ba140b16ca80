// Landscapes and images on the page of `s2ap dashboard` in a real browser.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import {
  landscapeRecord,
  makeAttackedImages,
  makeLandscape,
  makeRecord,
  makeRun,
  wholeRun,
} from "../support/dashboard-runs.js";
import { inBrowser, LivePage, soon } from "../support/live-page.js";

const live = new LivePage();

inBrowser(
  "landscapes appear as they are computed, turn by keys and by dragging, and are compared on one scale",
  async () => {
    for (const name of ["plain", "s2ap"]) makeRun(join(live.root, name), wholeRun());
    const line = { directions: ["eigen1"] };
    makeLandscape(join(live.root, "plain"), landscapeRecord(4, { done: 12 }));
    makeLandscape(join(live.root, "plain"), landscapeRecord(4, line), "landscape-eigen.json");
    makeLandscape(join(live.root, "s2ap"), landscapeRecord(1, { images: 64 }));
    makeLandscape(join(live.root, "s2ap"), landscapeRecord(1, line), "landscape-eigen.json");
    const view = await live.open();
    await view.getByRole("link", { name: "plain", exact: true }).click();
    await view.getByRole("heading", { name: "Loss landscapes over scores" }).waitFor();
    await view.getByText("plain over s2ap and random (12 of 25 points), as a surface").waitFor();
    const surface = view.getByRole("img", { name: /as a surface/ });
    const patches = surface.locator("path[stroke-width='0.4']");
    expect(await patches.count()).toBe(5);
    makeLandscape(join(live.root, "plain"), landscapeRecord(4));
    await soon(() => patches.count()).toBe(16);

    const seen = () => patches.first().getAttribute("d");
    const before = await seen();
    await surface.focus();
    await view.keyboard.press("ArrowRight");
    await soon(seen).not.toBe(before);
    await view.keyboard.press("ArrowLeft");
    await soon(seen).toBe(before);
    await surface.hover();
    await view.mouse.down();
    await view.mouse.move(500, 300, { steps: 3 });
    await view.mouse.up();
    await soon(seen).not.toBe(before);
    await view.mouse.move(600, 300);
    const after = await seen();
    await view.mouse.move(650, 300);
    expect(await seen()).toBe(after);

    const runs = (await (await fetch(`${live.dashboard.url}api/runs`)).json()) as { id: string; name: string }[];
    const id = (name: string) => runs.find((run) => run.name === name)?.id;
    await view.goto(`${live.dashboard.url}#/compare/${id("plain")},${id("s2ap")}`);
    await view
      .getByRole("img", { name: /^Along eigen1\. Loss: plain from 1\.50 to 5\.50.*; s2ap from 1\.50 to 2\.50/ })
      .waitFor();
    const maps = view.getByRole("img", { name: /as colours/ });
    expect(await maps.count()).toBe(2);
    const scale = async (map: number) => (await maps.nth(map).locator("text").allTextContents()).slice(-4);
    expect(await scale(0)).toEqual(["0", "4", "8", "loss"]);
    expect(await scale(1)).toEqual(await scale(0));
    const corner = (map: number) => maps.nth(map).locator("path").first().getAttribute("fill");
    expect([await corner(0), await corner(1)]).toEqual(["var(--ramp-22)", "var(--ramp-9)"]);
    await view.getByText("they differ in number of images").waitFor();
    expect(await view.locator("table.landscapes tbody tr").count()).toBe(4);

    // A plane over other directions, however steep, takes no colours from these.
    makeLandscape(
      join(live.root, "s2ap"),
      landscapeRecord(4000, { directions: ["eigen1", "eigen2"] }),
      "landscape-steep.json",
    );
    await view.reload();
    await view.getByText("s2ap over eigen1 and eigen2, from above").waitFor();
    expect(await maps.count()).toBe(3);
    expect(await corner(0)).toBe("var(--ramp-22)");
    expect(await scale(2)).toEqual(["0", "2", "4", "log10 loss"]);

    // The other search's end has a ring and its run's name, from above and on the surface.
    const between = landscapeRecord(1, { directions: ["other", "start"], other: "the-other" });
    makeLandscape(join(live.root, "s2ap"), between, "landscape-steep.json");
    await view.reload();
    const named = view.getByRole("img", { name: /^Loss over other/ });
    await soon(() => named.count()).toBe(2);
    for (const drawing of await named.all()) {
      await soon(() => drawing.locator("text", { hasText: /^the-other$/ }).count()).toBe(1);
    }

    // A file that is damaged meanwhile is named, and takes nothing else with it.
    writeFileSync(join(live.root, "s2ap/landscape.json"), "{");
    await view.reload();
    await view.getByText("landscape.json: expected what s2ap landscape wrote, got no JSON").waitFor();
    await soon(() => maps.count()).toBe(2);
  },
);
const widths = (of: Page) =>
  of
    .locator(".images img")
    .evaluateAll((all) => all.map((img) => (img as unknown as { naturalWidth: number }).naturalWidth));

inBrowser("the images of a record are shown by what broke them: clean, adversarial, difference", async () => {
  const indices = Array.from({ length: 90 }, (_, i) => i);
  makeRecord(join(live.root, "r"), { shape: [1, 28, 28], clean: 90, indices, classNames: ["cat", "dog"] });
  const view = await live.open("#/cards");
  await view.getByRole("link", { name: /r$/ }).click();
  await view.getByText("24 of 90 images").waitFor();
  // From the keyboard alone: the filter, and further images, at the first of which the focus goes on.
  const filter = view.getByLabel("Show");
  await filter.focus();
  await view.keyboard.type("broken by apgd");
  await view.getByText("24 of 30 images").waitFor();
  expect(await filter.inputValue()).toBe("broken by apgd-ce");
  const first = view.locator(".images li").first();
  expect(await first.locator("h3").textContent()).toBe("1: cat");
  expect(await first.locator(".picture .note").allInnerTexts()).toEqual([
    "clean: cat",
    "adversarial: dog",
    "difference: 0.030",
  ]);
  await view.getByRole("button", { name: "Show more images" }).focus();
  await view.keyboard.press("Enter");
  await view.getByText("30 of 30 images").waitFor();
  await soon(() => view.evaluate("document.activeElement.innerText")).toContain("73: cat");
  for (const image of await view.locator(".images img").all()) await image.scrollIntoViewIfNeeded();
  await soon(() => widths(view)).toEqual(Array(90).fill(28));

  await filter.selectOption("wrong without an attack");
  await view.getByText("24 of 30 images").waitFor();
  expect(await first.locator(".picture .note").first().textContent()).toBe("clean: dog");
  expect(await first.locator(".blank").allInnerTexts()).toEqual(["none", "none"]);
});

inBrowser("a record without clean images, or with some, says so, and what to do", async () => {
  makeRecord(join(live.root, "old"));
  makeRecord(join(live.root, "some"), { clean: 2 });
  const view = await live.open("#/cards");
  await view.getByRole("link", { name: /old$/ }).click();
  await view.getByText("Give the command that made it once more").waitFor();
  await soon(() => widths(view)).toEqual([4, 4]); // two points
  await view.goBack();
  await view.getByRole("link", { name: /some$/ }).click();
  await view.getByText("Clean images are kept of the first 2 images").waitFor();
  await soon(() => widths(view)).toEqual([4, 4, 4, 4, 4]); // two, two points, one difference
});

inBrowser("a run's page has its attacked images with what networks see in them", async () => {
  makeRun(join(live.root, "exp", "dense"), wholeRun());
  makeAttackedImages(join(live.root, "exp"), ["dense", "hydra"]);
  const view = await live.open();
  await view.getByRole("link", { name: "dense", exact: true }).click();
  await view.getByRole("heading", { name: "Attacked images" }).waitFor();
  await view.getByText("attacked at eps 8/255 against dense").waitFor();
  expect(await view.locator("table.seen").first().locator("tbody tr").allInnerTexts()).toEqual([
    expect.stringMatching(/^dense\s+zero ✓\s+one ✗$/),
    expect.stringMatching(/^hydra\s+zero ✓\s+one ✗$/),
  ]);
  await view.locator(".images").scrollIntoViewIfNeeded();
  await soon(() => widths(view)).toEqual(Array(6).fill(2));
});
