import { expect, test } from "vitest";
import { inert, inertJson, inertLines } from "./index.js";

const hostile = "a\x1b[2Jb\x07\r\n\x9bc\u202Ed\u2028e\u{E0041}f\uD800g\u200Bh\x7f";

test("control and format characters are shown, and any other text is left as it is", () => {
  expect(inert(hostile)).toBe(
    "a\\x1b[2Jb\\x07\\x0d\\x0a\\x9bc\\u{202e}d\\u{2028}e\\u{e0041}f\\u{d800}g\\u{200b}h\\x7f",
  );
  expect(inert("Größe 8/255 → 網 🐦")).toBe("Größe 8/255 → 網 🐦");
});

test("lines stay lines", () => {
  expect(inertLines("a\x1b\nb\r")).toBe("a\\x1b\nb\\x0d");
});

test("JSON means the same, and has none of them", () => {
  const text = inertJson(JSON.stringify({ [hostile]: [hostile, "ü"] }, undefined, 2));
  expect(JSON.parse(text)).toEqual({ [hostile]: [hostile, "ü"] });
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
});
