import { signal } from "@preact/signals";
import type { Colour } from "../../report/palette.js";

const query = window.matchMedia("(prefers-color-scheme: dark)");

/** Whether the reader asked for dark pages: canvases do not see the style sheet. */
export const dark = signal(query.matches);
query.addEventListener("change", () => {
  dark.value = query.matches;
});

export const shade = (colour: Colour): string => (dark.value ? colour.dark : colour.light);
