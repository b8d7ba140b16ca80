import { basename } from "node:path";
import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import type { LandscapeData, ReportData } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { count, significant } from "./format.js";
import { heatMapSvg } from "./heat-map.js";
import {
  axisName,
  directions,
  type Group,
  landscapeGroups,
  type Member,
  marksOf,
  planeNote,
} from "./landscape-groups.js";
import { type Heights, heightsOf, lossRange } from "./landscape-heights.js";
import type { SliceAxis } from "./landscape-schema.js";
import { type Origin, pointer } from "./origin.js";
import { rowStyles, type Style } from "./palette.js";
import { profileChart } from "./profile-chart.js";
import { type Surface, surfaceSvg } from "./surface.js";

interface Item {
  readonly run: string;
  readonly file: string;
  readonly landscape: LandscapeData;
}
type Named = Member<Item>;
type Plane = Named & { readonly landscape: { readonly y: SliceAxis } };

const range = (landscape: LandscapeData) => {
  const [least, greatest] = lossRange([landscape]) ?? [];
  return `from ${significant(least)} to ${significant(greatest)}`;
};
const ends = ({ name, at }: SliceAxis) => `${name} (${significant(at[0])} to ${significant(at.at(-1))})`;
const lossesOf = (found: readonly Named[]) => found.map(({ landscape }) => landscape);

/** All runs along one direction. */
function lineChart({ title, members }: Group<Item>, index: number, styles: Styles): Chart {
  const heights = heightsOf(lossesOf(members));
  const id = `landscape-line-${index + 1}`;
  const own = rowStyles(members);
  const profiles = members.map(({ name, run, alone, landscape: { x, loss } }) => ({
    ...{ name, style: (alone ? styles.get(run) : undefined) ?? (own.get(name) as Style) },
    points: x.at.map((at, i) => [at, heights.of(loss[0]?.[i] ?? null)] as const),
  }));
  const [first] = members as [Named];
  return {
    ...{ id, title },
    alt: `Loss ${directions(first.landscape)}: ${members.map(({ name, landscape }) => `${name} ${range(landscape)}`).join("; ")}.`,
    draw: () => profileChart(id, profiles, { x: axisName(first.landscape.x.name), unit: heights.unit }),
  };
}

/** The plane from above and as a surface. */
function planeCharts(
  { name, run, landscape }: Plane,
  id: string,
  { of, unit, scale }: Heights,
): [map: Chart, surface: Chart] {
  const { x, y, loss, other } = landscape;
  const surface: Surface = { x, y, z: loss.map((row) => row.map(of)), scale, unit, marks: marksOf(landscape, run) };
  const long = (axis: SliceAxis): SliceAxis => ({ ...axis, name: axisName(axis.name, other?.run) });
  const told = `Loss of ${name} over ${ends(x)} and ${ends(y)}: ${range(landscape)}`;
  const title = `${name} ${directions(landscape)}`;
  return [
    {
      ...{ id: `${id}-map`, title: `${title}, from above`, alt: `${told}, as colours.` },
      draw: () => heatMapSvg({ ...surface, x: long(x), y: long(y) }),
    },
    {
      ...{ id: `${id}-surface`, title: `${title}, as a surface`, alt: `${told}, as a surface.` },
      ...{ draw: () => surfaceSvg(surface), surface },
    },
  ];
}

/** Planes over the same directions: of one, side by side; of several, maps beside maps and surfaces beside surfaces. `before` planes have numbers. */
function planeBlocks({ title, members }: Group<Item>, before: number): Block[] {
  const planes = members.filter((each): each is Plane => each.landscape.y !== null);
  const [first] = planes as [Plane];
  const heights = heightsOf(lossesOf(planes));
  const both = planes.map((plane, i) => planeCharts(plane, `landscape-${before + i + 1}`, heights));
  const rows = both.length === 1 ? both : [both.map(([map]) => map), both.map(([, surface]) => surface)];
  const notes = planes.flatMap(({ name, landscape }) => planeNote(landscape, name) ?? []);
  const last = numbers(`Loss ${directions(first.landscape)}`, planes);
  return [
    { kind: "heading", text: title },
    ...(notes.length === 0 ? [] : [{ kind: "text", text: `${notes.join("; ")}.` } as const]),
    ...rows.map((charts, i): Block => ({ kind: "charts", charts, numbers: i === rows.length - 1 ? last : null })),
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

/** `hydra after 3 epochs on 128 selection images`, each once. */
function conditions(found: readonly Item[]): string {
  const told = found.map(({ run, landscape: { epoch, images, split } }) => {
    return `${run} after ${count(epoch)} epochs on ${count(images)} ${split ?? ""} images`;
  });
  return `${[...new Set(told)].join("; ")}. The masks are selected anew at every point; 0 is the search's own state.`;
}

/** The loss around searched scores; what goes along the same directions is side by side and on one scale. */
export function landscapeSection({ runs }: ReportData, styles: Styles): Section {
  const found = runs.flatMap(({ name: run, landscapes }) =>
    landscapes.map((landscape): Item => ({ run, file: basename(landscape.origin.from[0]?.file ?? ""), landscape })),
  );
  const groups = landscapeGroups(found);
  const of = (plane: boolean) =>
    groups.filter(({ members }) => members[0] && (members[0].landscape.y !== null) === plane);
  const [lines, planes] = [of(false), of(true)];
  const blocks: Block[] =
    found.length === 0 ? [] : [{ kind: "text", text: `Loss along directions of s2ap landscape: ${conditions(found)}` }];
  if (lines.length > 0) {
    blocks.push({
      kind: "charts",
      charts: lines.map((group, index) => lineChart(group, index, styles)),
      numbers: numbers(
        "Loss along a direction",
        lines.flatMap(({ members }) => members),
      ),
    });
  }
  if (planes.length > 0) {
    const text =
      "In a plane, a ring is the search's own state; where a direction leads to other scores, those have a ring too, and all have their names. " +
      "Colours and heights over the same two directions are on one scale.";
    const before = (index: number) => planes.slice(0, index).reduce((sum, { members }) => sum + members.length, 0);
    blocks.push({ kind: "text", text }, ...planes.flatMap((group, index) => planeBlocks(group, before(index))));
  }
  return { id: "landscape", title: "Loss landscapes over scores", blocks };
}
