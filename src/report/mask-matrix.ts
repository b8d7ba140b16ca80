import { evenly } from "../util/index.js";
import { type Block, type Chart, figures, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import type { EpochMasksData, ReportData } from "./data.js";
import { decimal } from "./format.js";
import { heatMapSvg } from "./heat-map.js";
import { niceScale } from "./scale.js";
import type { Surface } from "./surface.js";

interface Named {
  readonly name: string;
  readonly masks: EpochMasksData;
}

const show = (value: number | undefined) => decimal(value ?? null, 3);

/** A coloured cell for each two epochs, all runs on one scale. */
function chartOf({ name, masks: { epochs, jaccard } }: Named, index: number, scale: Surface["scale"]): Chart {
  const axis = { name: "epochs done", at: epochs };
  const last = jaccard.at(-1) ?? [];
  return {
    id: `mask-matrix-${index + 1}`,
    title: `${name}, epochs with one another`,
    alt:
      `Jaccard of the sets that ${name} keeps after ${epochs[0]} to ${epochs.at(-1)} epochs: the last has ` +
      `${show(last[0])} with the first and ${show(last.at(-2))} with the one before it.`,
    draw: () => heatMapSvg({ x: axis, y: axis, z: jaccard, scale, unit: "Jaccard" }),
  };
}

const most = 40;

function numbers(found: readonly Named[]): Table {
  const rows = found.flatMap(({ name, masks: { epochs, jaccard, files } }) =>
    epochs.flatMap((epoch, b) =>
      epochs.slice(0, b).map((other, a) => {
        const from = [a, b].map((i) => ({ file: files[i] as string, at: "" }));
        const value = jaccard[a]?.[b];
        return [name, String(other), String(epoch), figure(show(value), value, { how: "jaccard", from })];
      }),
    ),
  );
  return {
    caption: "Jaccard of the sets kept after so many epochs of the search",
    columns: [words("Network"), figures("Epochs done"), figures("Epochs done"), figures("Jaccard")],
    ...(rows.length > most && { excerpt: { rows: evenly(rows.length, most), note: `${most} pairs, evenly spread` } }),
    rows,
  };
}

/** How alike the masks of a search's epochs are, where the run has kept them. */
export function maskMatrixBlocks({ runs }: ReportData): Block[] {
  const found = runs.flatMap(({ name, epochMasks }) => (epochMasks === null ? [] : [{ name, masks: epochMasks }]));
  if (found.length === 0) return [];
  const scale = niceScale(
    found.flatMap(({ masks }) => masks.jaccard.flat()),
    { zero: false },
  );
  return [
    { kind: "heading", text: "Masks of the epochs with one another" },
    {
      kind: "text",
      text:
        "Jaccard of the kept sets: 1 where two masks are equal, 0 where they share nothing; epoch 0 is the start. A mask that has settled makes " +
        "a bright square at the upper right; one that keeps moving, a bright diagonal alone.",
    },
    { kind: "charts", charts: found.map((each, index) => chartOf(each, index, scale)), numbers: numbers(found) },
  ];
}
