import type { Block, Section } from "./blocks.js";
import type { ReportData } from "./data.js";

/** Attacked images with what every network makes of them; nothing where there are none. */
export function imagesSection(data: ReportData): Section {
  const blocks = data.images.flatMap((grid): Block[] => {
    const eps = grid.eps === null ? "" : ` at eps ${grid.eps}`;
    const whom = grid.against === null ? "" : ` against ${grid.against}`;
    const others = grid.against === null ? "" : " The others see the same images: they were not attacked themselves.";
    const text =
      `Test images, the same images attacked${eps}${whom}, and the difference between the two, magnified. ` +
      `Below each, what every network sees before and under attack.${others}`;
    const heading = data.images.length > 1 ? [{ kind: "heading", text: grid.name } as const] : [];
    return [...heading, { kind: "text", text }, { kind: "images", grid }];
  });
  return { id: "images", title: "Attacked images", blocks };
}
