import { type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import type { LandscapeData, ReportData } from "./data.js";
import { significant } from "./format.js";
import { heatMapSvg } from "./heat-map.js";
import { type Origin, pointer } from "./origin.js";
import { niceScale } from "./scale.js";
import { type Surface, surfaceSvg } from "./surface.js";

interface Named {
  readonly name: string;
  readonly landscape: LandscapeData;
}

const known = ({ loss }: LandscapeData): number[] => loss.flat().filter((value) => value !== null);

function chartsOf({ name, landscape }: Named, index: number, scale: Surface["scale"]): Chart[] {
  const surface: Surface = { x: landscape.x, y: landscape.y, z: landscape.loss, scale, unit: "loss" };
  const values = known(landscape);
  const range = `from ${significant(Math.min(...values))} to ${significant(Math.max(...values))}`;
  const { x, y } = landscape;
  const ends = ({ at }: LandscapeData["x"]) => `${significant(at[0])} to ${significant(at.at(-1))}`;
  const where = `over ${x.name} (${ends(x)}) and ${y.name} (${ends(y)})`;
  return [
    {
      id: `landscape-${index + 1}-map`,
      title: `${name}, from above`,
      alt: `Loss of ${name} ${where}: ${range}, as colours.`,
      draw: () => heatMapSvg(surface),
    },
    {
      id: `landscape-${index + 1}-surface`,
      title: `${name}, as a surface`,
      alt: `Loss of ${name} ${where}: ${range}, as a surface.`,
      draw: () => surfaceSvg(surface),
      surface,
    },
  ];
}

function numbers(found: readonly Named[]): Table {
  const rows = found.flatMap(({ name, landscape: { x, y, loss, origin } }) =>
    loss.flatMap((row, r) =>
      row.map((value, c) => {
        const at: Origin = {
          how: "read",
          from: origin.from.map((place) => ({ ...place, at: `${place.at}/${r}/${c}` })),
        };
        const axis = ({ at: values }: LandscapeData["x"], which: 0 | 1, i: number) => {
          const from = origin.from.map((place) => ({ ...place, at: pointer("axes", which, "values", i) }));
          return figure(significant(values[i]), values[i], { how: "read", from });
        };
        return [name, axis(x, 0, c), axis(y, 1, r), figure(significant(value), value, at)];
      }),
    ),
  );
  const most = 40;
  const shown = Array.from({ length: Math.min(most, rows.length) }, (_, i) =>
    rows.length <= most ? i : Math.round((i * (rows.length - 1)) / (most - 1)),
  );
  const [x, y] = [found[0]?.landscape.x.name ?? "x", found[0]?.landscape.y.name ?? "y"];
  return {
    caption: "Loss around the solutions",
    columns: [words("Network"), figures(x), figures(y), figures("Loss")],
    ...(rows.length > most && { excerpt: { rows: shown, note: `${most} points, evenly spread` } }),
    rows,
  };
}

/** The loss around the solutions, all on one scale. */
export function landscapeSection({ runs }: ReportData): Section {
  const found = runs.flatMap(({ name, landscape }) => (landscape === null ? [] : [{ name, landscape }]));
  const title = "Loss landscapes over scores";
  if (found.length === 0) return { id: "landscape", title, blocks: [] };
  const scale = niceScale(
    found.flatMap(({ landscape }) => known(landscape)),
    { zero: false },
  );
  const planes = [...new Set(found.flatMap(({ landscape }) => landscape.plane ?? []))].join("; ");
  const text =
    `The loss where the scores are moved in two directions${planes === "" ? "" : ` (${planes})`}, the mask selected anew at every ` +
    "point. The ring is the solution itself. Colours and heights of all networks are on one scale. Drag a surface to turn it, or use the arrow keys.";
  const both = found.map((each, index) => chartsOf(each, index, scale));
  const [maps, surfaces] = [0, 1].map((kind) => both.flatMap((charts) => charts[kind] ?? [])) as [Chart[], Chart[]];
  return {
    id: "landscape",
    title,
    blocks: [
      { kind: "text", text },
      { kind: "charts", charts: maps, numbers: null },
      { kind: "charts", charts: surfaces, numbers: numbers(found) },
    ],
  };
}
