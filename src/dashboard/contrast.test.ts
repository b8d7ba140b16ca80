import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { allColours, roles } from "../report/palette.js";
import { paletteCss } from "./page-files.js";

/** Relative luminance of `#rrggbb`; WCAG 2.2. */
function luminance(colour: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: string, b: string): number {
  const [dark = 0, light = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y);
  return (light + 0.05) / (dark + 0.05);
}

const css = readFileSync(new URL("./client/style.css", import.meta.url), "utf8");
const [light = "", dark = ""] = [...css.matchAll(/:root \{([^}]*)\}/g)].map(([, body]) => body ?? "");

/** A variable of the style sheet or of the palette, in one of the two shades. */
function shade(name: string, which: "light" | "dark"): string {
  const own = new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(which === "light" ? light : dark)?.[1];
  const shared = allColours.find((colour) => colour.name === name)?.[which];
  const found = own ?? shared;
  if (found === undefined) throw new Error(`no colour ${name}`);
  return found;
}

describe.each(["light", "dark"] as const)("on %s pages", (which) => {
  test.each(["ink", "muted", "link", "good", "bad"])("text in %s has the contrast of WCAG AA", (name) => {
    expect(contrast(shade(name, which), roles.paper[which])).toBeGreaterThanOrEqual(4.5);
  });

  test.each(["ink", "muted"])("%s on bands, too", (name) => {
    expect(contrast(shade(name, which), roles.band[which])).toBeGreaterThanOrEqual(4.5);
  });

  test("text on notices, and the focus ring", () => {
    expect(contrast(roles.ink[which], shade("notice", which))).toBeGreaterThanOrEqual(4.5);
    expect(contrast(shade("row-1", which), roles.paper[which])).toBeGreaterThanOrEqual(3);
  });
});

test("the measure itself", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
});

test("the colours are those of reports, light and dark", () => {
  expect(paletteCss()).toContain("--row-1:#0072b2");
  expect(paletteCss()).toMatch(/prefers-color-scheme:dark\).*--row-1:#56b4e9/);
});
