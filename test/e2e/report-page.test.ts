// The HTML report in a real browser, opened from disk.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { collect, toHtml } from "../../src/report/index.js";
import { type Browser, startBrowser, withoutBrowser } from "../support/browser.js";
import { removeFolders, temporaryFolder } from "../support/experiment-fixture.js";
import { explainedFixture } from "../support/explained-fixture.js";

const inBrowser = test.skipIf(withoutBrowser);
let browser: Browser;
let address = "";
let page: Page | undefined;

beforeAll(async () => {
  if (withoutBrowser) return;
  browser = await startBrowser();
  const file = join(temporaryFolder(), "report.html");
  writeFileSync(file, toHtml(collect([explainedFixture()])));
  address = pathToFileURL(file).href;
});
afterEach(async () => {
  await page?.close();
  page = undefined;
  expect(browser.faults.splice(0)).toEqual([]);
});
afterAll(async () => {
  if (!withoutBrowser) await browser.close();
  removeFolders();
});

async function open(): Promise<Page> {
  page = await browser.open(address);
  return page;
}
const overflow = (of: Page) =>
  of.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
const display = (of: Page, selector: string) =>
  of.evaluate(`getComputedStyle(document.querySelector(${JSON.stringify(selector)})).display`);

inBrowser("asks for nothing but its own file, and every picture in it is whole", async () => {
  const view = await open();
  const asked: string[] = [];
  view.on("request", (request) => asked.push(request.url()));
  await view.reload({ waitUntil: "load" });
  expect(asked).toEqual([address]);
  const broken = "[...document.images].filter((image) => image.naturalWidth === 0).length";
  expect(await view.locator("img").count()).toBeGreaterThan(0);
  expect(await view.evaluate(broken)).toBe(0);
});

inBrowser("its surfaces turn together, by keys and by dragging", async () => {
  const view = await open();
  const canvases = view.locator(".turns canvas");
  expect(await canvases.count()).toBe(2);
  const drawn = () => view.evaluate<string[]>("[...document.querySelectorAll('canvas')].map((c) => c.toDataURL())");
  const turned = (before: readonly string[]) =>
    expect.poll(async () => (await drawn()).map((now, i) => now !== before[i])).toEqual([true, true]);
  const first = await drawn();
  await canvases.first().focus();
  await view.keyboard.press("ArrowRight");
  await turned(first);
  const second = await drawn();
  await canvases.nth(1).hover();
  await view.mouse.down();
  await view.mouse.move(700, 400);
  await view.mouse.move(640, 380);
  await turned(second);
});

inBrowser("fits a phone, light and dark", async () => {
  const view = await open();
  await view.setViewportSize({ width: 360, height: 740 });
  const background = () => view.evaluate("getComputedStyle(document.body).backgroundColor");
  await view.emulateMedia({ colorScheme: "light" });
  expect([await overflow(view), await background()]).toEqual([0, "rgb(255, 255, 255)"]);
  await view.emulateMedia({ colorScheme: "dark" });
  expect([await overflow(view), await background()]).toEqual([0, "rgb(21, 25, 30)"]);
});

inBrowser("on paper is light, with its surfaces as they stand, and nothing beyond the edge", async () => {
  const view = await open();
  await view.emulateMedia({ media: "print", colorScheme: "dark" });
  // A4 less margins of 1 cm, in CSS pixels.
  await view.setViewportSize({ width: 718, height: 1047 });
  expect(await view.evaluate("getComputedStyle(document.body).backgroundColor")).toBe("rgb(255, 255, 255)");
  expect([await display(view, ".turns svg"), await display(view, ".turns canvas")]).toEqual(["block", "none"]);
  expect(await overflow(view)).toBe(0);
  expect((await view.pdf({ format: "A4" })).subarray(0, 5).toString()).toBe("%PDF-");
});
