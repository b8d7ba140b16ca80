import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { experimentFixture, removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { collect } from "./collect.js";
import { escapeHtml } from "./html.js";
import { toHtml, toMarkdown } from "./index.js";
import { surfaceScript } from "./surface-script.js";

afterAll(removeFolders);

const page = toHtml(collect([experimentFixture()]));
const hostileNames = {
  dense: '"><img src=x onerror=alert(1)>',
  hydra: "<script>alert('x')</script>",
  "hydra-s2ap": "]]></style></svg><script>",
  magnitude: "\u001b[31m{c|rich} {@1} %s\n\u0000& &lt;",
};
const hostile = toHtml(collect([experimentFixture({ names: hostileNames })]));
/** With the page's own script taken out: it is the only one. */
function withoutScript(html: string): string {
  const parts = html.split(`<script>${surfaceScript}</script>`);
  expect(parts).toHaveLength(2);
  return parts.join("");
}
const explained = withoutScript(toHtml(collect([explainedFixture()])));
const explainedHostile = withoutScript(toHtml(collect([hostileFolder()])));

/** Hostile names in what other commands leave, too. */
function hostileFolder(): string {
  const folder = explainedFixture({ names: hostileNames });
  const path = join(folder, "hydra", "landscape.json");
  const name = '"><script>alert(1)</script>';
  writeFileSync(path, readFileSync(path, "utf8").replaceAll("first direction", JSON.stringify(name).slice(1, -1)));
  const card = join(folder, "hydra", "evaluation", "2-autoattack", "card.json");
  writeFileSync(card, readFileSync(card, "utf8").replaceAll("automobile", "</svg><script>x"));
  return folder;
}

const voids = new Set(["meta", "img"]);

/** Tags that are left open or closed twice; text and attribute values hold no raw angle brackets. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, name = ""] of html.replace(/<!doctype html>/, "").matchAll(/<(\/?)([a-zA-Z0-9]+)[^<>]*>/g)) {
    if (slash === "") {
      if (!voids.has(name)) open.push(name);
    } else if (open.pop() !== name) {
      wrong.push(name);
    }
  }
  return [...wrong, ...open];
}

describe.each([
  ["the report", page],
  ["a report of hostile names", hostile],
  ["a report with sharpness, landscapes and cards", explained],
  ["the same with hostile names", explainedHostile],
])("%s", (_, html) => {
  test("is one well-formed page that runs and fetches nothing", () => {
    expect(unbalanced(html)).toEqual([]);
    expect(html).not.toMatch(/<(script|link|iframe|object|embed|form|base)|@import|https?:/i);
    const tags = (html.match(/<[^<>]*>/g) ?? []).map((tag) => tag.replace(/"[^"]*"/g, '""'));
    expect(tags.filter((tag) => /\s(on\w+|href|srcset|action)\s*=/i.test(tag))).toEqual([]);
    expect([...html.matchAll(/\ssrc="([^"]{0,22})/g)].every(([, source]) => source === "data:image/png;base64,")).toBe(
      true,
    );
    expect(html.match(/url\((?!#)/g)).toBeNull();
  });

  test("names every chart, table and picture for those who do not see them", () => {
    const charts = html.match(/<svg [^>]*>/g) ?? [];
    expect(charts.length).toBeGreaterThanOrEqual(15);
    for (const chart of charts) expect(chart).toMatch(/role="img" aria-label="[^"]{20,}"/);
    for (const table of html.match(/<table[\s\S]*?<thead>/g) ?? []) expect(table).toMatch(/<caption>|aria-label="/);
    for (const image of html.match(/<img [^>]*>/g) ?? [])
      expect(image).toMatch(/alt="[^"]+, (clean|attacked|difference)"/);
  });

  test("has every id once, and every id it speaks of", () => {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const used = [...html.matchAll(/url\(#([^)]+)\)|aria-labelledby="([^"]+)"/g)].map(([, a, b]) => a ?? b);
    expect(used.length).toBeGreaterThan(6);
    for (const id of used) expect(ids).toContain(id);
  });

  test("draws charts in the page's own colours only, so that the dark page has them too", () => {
    const shades = new Set([...html.matchAll(/(?:fill|stroke)="([^"]+)"/g)].map(([, shade]) => shade));
    expect([...shades].filter((shade) => !/^(none|var\(--[a-z0-9-]+\)|rgb\(0,0,0\)|#000)$/.test(shade ?? ""))).toEqual(
      [],
    );
  });
});

describe("html", () => {
  test("shows hostile names as text, in tables and in charts", () => {
    expect(hostile).toContain("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;</th>");
    expect(hostile).toMatch(/<text [^>]*>&lt;script&gt;/);
  });

  test("escapes the five characters, drops control characters and keeps a number with its unit", () => {
    expect(escapeHtml(`<a href="x">'&'</a>\u0007\u202e 5 % of`)).toBe(
      "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;  5\u00a0% of",
    );
  });

  test("is the same for the same folder", () => {
    expect(toHtml(collect([experimentFixture()]))).toBe(page);
  });

  test("says only what is true where it is read: on a screen, on paper, in text", () => {
    expect(explained.match(/Drag a surface/g)?.length).toBe(1);
    expect(explained).toMatch(/<p class="note turn">Drag a surface/);
    expect(page).not.toContain("Drag a surface");
    expect(toMarkdown(collect([explainedFixture()]))).not.toMatch(/drag|arrow keys/i);
    expect(page).toMatch(/@media print\{[^@]*details,\.screen\{display:none\}\.paper\{display:inline\}/);
    expect(page).toMatch(/<span class="screen">Every chart.*<span class="paper">The page on a screen/);
  });

  test("gives the words at the end of a row room on a phone", () => {
    expect(page).toMatch(/@media screen and \(max-width:520px\)\{td\.text:last-child\{min-width:60vw\}/);
  });

  test("has a script that asks for nothing and writes no markup", () => {
    expect(surfaceScript).not.toMatch(
      /fetch|XMLHttp|import|WebSocket|EventSource|https?:|innerHTML|eval|document\.write|<\/|localStorage/,
    );
  });

  test("gives the script digits and separators alone", () => {
    const attributes = [...explainedHostile.matchAll(/ data-[a-z]+="([^"]*)"/g)].map(([, value]) => value);
    expect(attributes.length).toBeGreaterThanOrEqual(8);
    for (const value of attributes) expect(value).toMatch(/^[-\d.,;e]+$/);
  });
});
