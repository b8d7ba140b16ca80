import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import type { LandscapeData, ReportData } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { count, significant } from "./format.js";
import { heatMapSvg } from "./heat-map.js";
import { type Heights, heightsOf, lossRange } from "./landscape-heights.js";
import type { SliceAxis } from "./landscape-schema.js";
import { type Origin, pointer } from "./origin.js";
import { roles } from "./palette.js";
import { profileChart } from "./profile-chart.js";
import { type Surface, surfaceSvg } from "./surface.js";

interface Named {
  readonly name: string;
  readonly landscape: LandscapeData;
}
type Plane = Named & { readonly landscape: { readonly y: SliceAxis } };

const range = (landscape: LandscapeData) => {
  const [least, greatest] = lossRange([landscape]) ?? [];
  return `from ${significant(least)} to ${significant(greatest)}`;
};
const ends = ({ name, at }: SliceAxis) => `${name} (${significant(at[0])} to ${significant(at.at(-1))})`;

/** One chart a direction, with all runs. */
function lineCharts(found: readonly Named[], styles: Styles): Chart[] {
  const directions = [...new Set(found.map(({ landscape }) => landscape.x.name))];
  return directions.map((direction, index) => {
    const own = found.filter(({ landscape }) => landscape.x.name === direction);
    const heights = heightsOf(own.map(({ landscape }) => landscape));
    const id = `landscape-line-${index + 1}`;
    const profiles = own.map(({ name, landscape: { x, loss } }) => ({
      ...{ name, style: styles.get(name) ?? ({ colour: roles.muted, symbol: "circle" } as const) },
      points: x.at.map((at, i) => [at, heights.of(loss[0]?.[i] ?? null)] as const),
    }));
    return {
      id,
      title: `Along ${direction}`,
      alt: `Loss along ${direction}: ${own.map(({ name, landscape }) => `${name} ${range(landscape)}`).join("; ")}.`,
      draw: () => profileChart(id, profiles, { x: `coordinate along ${direction}`, unit: heights.unit }),
    };
  });
}

/** The plane from above and as a surface. */
function planeCharts(
  { name, landscape }: Plane,
  index: number,
  { of, unit, scale }: Heights,
): [map: Chart, surface: Chart] {
  const { x, y, loss } = landscape;
  const surface: Surface = { x, y, z: loss.map((row) => row.map(of)), scale, unit };
  const told = `Loss of ${name} over ${ends(x)} and ${ends(y)}: ${range(landscape)}`;
  const id = `landscape-${index + 1}`;
  return [
    { id: `${id}-map`, title: `${name}, from above`, alt: `${told}, as colours.`, draw: () => heatMapSvg(surface) },
    {
      id: `${id}-surface`,
      title: `${name}, as a surface`,
      alt: `${told}, as a surface.`,
      draw: () => surfaceSvg(surface),
      surface,
    },
  ];
}

function rowsOf({ name, landscape: { x, y, loss, origin } }: Named): Table["rows"] {
  const at = (file: Origin, path: string): Origin => ({
    how: "read",
    from: file.from.map((place) => ({ ...place, at: path })),
  });
  const axis = ({ at: values }: SliceAxis, which: 0 | 1, i: number) =>
    figure(significant(values[i]), values[i], at(origin, pointer("settings", "axes", which, "coordinates", i)));
  return loss.flatMap((row, r) =>
    row.map((value, c) => [
      name,
      x.name,
      axis(x, 0, c),
      ...(y === null ? [] : [y.name, axis(y, 1, r)]),
      figure(significant(value), value, at(origin, pointer("losses", r, c))),
    ]),
  );
}

const most = 40;

function numbers(caption: string, found: readonly Named[]): Table {
  const rows = found.flatMap(rowsOf);
  const plane = found.some(({ landscape }) => landscape.y !== null);
  const shown = Array.from({ length: most }, (_, i) => Math.round((i * (rows.length - 1)) / (most - 1)));
  return {
    caption,
    columns: [
      words("Network"),
      words("Direction"),
      figures("Coordinate"),
      ...(plane ? [words("Second direction"), figures("Coordinate")] : []),
      figures("Loss"),
    ],
    ...(rows.length > most && { excerpt: { rows: shown, note: `${most} points, evenly spread` } }),
    rows,
  };
}

/** `s2ap landscape: 128 selection images; hydra after 3 epochs`. */
function conditions(found: readonly Named[]): string {
  const told = found.map(({ name, landscape: { epoch, images, split } }) => {
    return `${name} after ${count(epoch)} epochs on ${count(images)} ${split ?? ""} images`;
  });
  return `${[...new Set(told)].join("; ")}. The masks are selected anew at every point; 0 is the search's own state.`;
}

/** The loss around searched scores, that of all runs on one scale. */
export function landscapeSection({ runs }: ReportData, styles: Styles): Section {
  const found = runs.flatMap(({ name, landscapes }) => landscapes.map((landscape): Named => ({ name, landscape })));
  const lines = found.filter(({ landscape }) => landscape.y === null);
  const planes = found.filter((each): each is Plane => each.landscape.y !== null);
  const blocks: Block[] =
    found.length === 0 ? [] : [{ kind: "text", text: `Loss along directions of s2ap landscape: ${conditions(found)}` }];
  if (lines.length > 0) {
    blocks.push({
      kind: "charts",
      charts: lineCharts(lines, styles),
      numbers: numbers("Loss along a direction", lines),
    });
  }
  if (planes.length > 0) {
    const heights = heightsOf(planes.map(({ landscape }) => landscape));
    const both = planes.map((plane, index) => planeCharts(plane, index, heights));
    const text =
      "The ring is the search's own state. Colours and heights of all networks are on one scale. In the HTML report, drag a surface to turn it, or " +
      "use the arrow keys.";
    blocks.push(
      { kind: "text", text },
      { kind: "charts", charts: both.map(([map]) => map), numbers: null },
      {
        kind: "charts",
        charts: both.map(([, surface]) => surface),
        numbers: numbers("Loss over two directions", planes),
      },
    );
  }
  return { id: "landscape", title: "Loss landscapes over scores", blocks };
}
