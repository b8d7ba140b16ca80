// A surface z(x, y) seen from one side: every patch between four neighbours of the grid is projected (turned about the upright axis,
// tilted, without perspective) and painted from back to front, so that near ones cover far ones. The page's script draws the same
// from other sides.
import { type Drawing, drawingSvg, type Path, type Shape, tenth, type Word } from "./drawing.js";
import { decimal } from "./format.js";
import { letter, type Mark, ring } from "./marks.js";
import { rampColour, roles } from "./palette.js";

/** What is drawn; `z` has a row for each y, `null` where nothing is known. */
export interface Surface {
  readonly x: { readonly name: string; readonly at: readonly number[] };
  readonly y: { readonly name: string; readonly at: readonly number[] };
  readonly z: readonly (readonly (number | null)[])[];
  /** Ends of the upright axis and of the colours, shared by surfaces that are compared. */
  readonly scale: { readonly min: number; readonly max: number };
  readonly unit: string;
  /** Points that are ringed; default none. */
  readonly marks?: readonly Mark[];
}

/** Where from, in radians. */
export interface View {
  readonly turn: number;
  readonly tilt: number;
}

export const firstView: View = { turn: -0.7, tilt: 0.5 };
export const surfaceSize = { width: 400, height: 320 } as const;
/** How far a surface and its words may reach beyond the picture, seen from another side than the first one. */
export const turnedRoom = 36;

type Point = readonly [x: number, y: number, z: number];

/** Position on the picture, and how far to the front. */
export function project([x, y, z]: Point, { turn, tilt }: View): { px: number; py: number; near: number } {
  const [across, deep] = [x * Math.cos(turn) - y * Math.sin(turn), x * Math.sin(turn) + y * Math.cos(turn)];
  const { width, height } = surfaceSize;
  const up = z * Math.cos(tilt) + deep * Math.sin(tilt);
  return { px: width / 2 + across * 118, py: height / 2 - up * 118, near: z * Math.sin(tilt) - deep * Math.cos(tilt) };
}

/** Half the height of the box, whose base goes from -1 to 1. */
export const halfHeight = 0.62;

interface Patch {
  readonly corners: readonly Point[];
  /** Mean of z on the scale, in [0,1]. */
  readonly level: number;
}

/** Share of the way from `lo` to `hi`, in [0,1]; 0 where they are one. */
export const between = (value: number, lo: number, hi: number) =>
  hi > lo ? Math.min(1, Math.max(0, (value - lo) / (hi - lo))) : 0;

/** Whether a value is between the first and the last point. */
export const inside = (values: readonly number[], value: number) =>
  (values[0] as number) <= value && value <= (values.at(-1) as number);

/** Where a value stands on the base, from -1 to 1. */
const onBase = (values: readonly number[], value: number) =>
  2 * between(value, values[0] as number, values.at(-1) as number) - 1;

const nearestAt = (values: readonly number[], value: number): number =>
  values.reduce((best, each, i) => (Math.abs(each - value) < Math.abs((values[best] as number) - value) ? i : best), 0);

/** Marks where they lie on the surface, at the height of the nearest point; those outside, or where nothing is known, are left out. */
export function placedMarks({
  x,
  y,
  z,
  scale,
  marks = [],
}: Surface): { readonly point: Point; readonly name: string }[] {
  return marks.flatMap((mark) => {
    const level = z[nearestAt(y.at, mark.y)]?.[nearestAt(x.at, mark.x)] ?? null;
    if (level === null || !inside(x.at, mark.x) || !inside(y.at, mark.y)) return [];
    const height = halfHeight * (2 * between(level, scale.min, scale.max) - 1);
    return [{ point: [onBase(x.at, mark.x), onBase(y.at, mark.y), height] as const, name: mark.name }];
  });
}

function patches({ x, y, z, scale }: Surface): Patch[] {
  const place = (values: readonly number[], i: number) => onBase(values, values[i] as number);
  return y.at.slice(1).flatMap((_, row) =>
    x.at.slice(1).flatMap((_, column): Patch[] => {
      const around = [
        [row, column],
        [row, column + 1],
        [row + 1, column + 1],
        [row + 1, column],
      ] as const;
      const levels = around.map(([r, c]) => z[r]?.[c] ?? null);
      if (levels.some((level) => level === null)) return [];
      const known = levels.map((level) => between(level as number, scale.min, scale.max));
      const corners = around.map(
        ([r, c], i): Point => [place(x.at, c), place(y.at, r), halfHeight * (2 * (known[i] as number) - 1)],
      );
      return [{ corners, level: known.reduce((a, b) => a + b, 0) / 4 }];
    }),
  );
}

const path = (points: readonly Point[], view: View) =>
  points
    .map((point, i) => {
      const { px, py } = project(point, view);
      return `${i === 0 ? "M" : "L"}${tenth(px)} ${tenth(py)}`;
    })
    .join("");

const nearest = (points: readonly Point[], view: View): Point =>
  points.reduce((a, b) => (project(b, view).near > project(a, view).near ? b : a));

/** A word at a point, moved as far as it must be to stay in the room around the picture. */
function word(point: Point, view: View, text: string, anchor: Word["anchor"], down: number): Word {
  const { width, height } = surfaceSize;
  const { px, py } = project(point, view);
  const long = letter * text.length;
  const [before, behind] = { start: [0, long], middle: [long / 2, long / 2], end: [long, 0] }[anchor] as [
    number,
    number,
  ];
  const x = Math.max(before - turnedRoom, Math.min(width + turnedRoom - behind, px));
  return { text, x, y: Math.min(height + turnedRoom - 4, py + down), anchor };
}

/** The outline of the base and one upright at the back, with the ends of the axes named: those of x and y at the near edges. */
function frame({ x, y, scale, unit }: Surface, view: View): Shape[] {
  const h = halfHeight;
  const base: Point[] = [
    [-1, -1, -h],
    [1, -1, -h],
    [1, 1, -h],
    [-1, 1, -h],
  ];
  const line = (points: readonly Point[]): Path => ({ d: path(points, view), stroke: roles.rule });
  const [first] = base as [Point];
  const back = nearest(base, { ...view, turn: view.turn + Math.PI });
  const top: Point = [back[0], back[1], h];
  const beside = (point: Point): Word["anchor"] => {
    const side = project(point, view).px - surfaceSize.width / 2;
    return Math.abs(side) < 30 ? "middle" : side < 0 ? "end" : "start";
  };
  const ends = (axis: Surface["x"], edges: readonly Point[], down: number) => {
    const edge = nearest(edges, view);
    return word(edge, view, `${axis.name}: ${short(axis.at[0])} to ${short(axis.at.at(-1))}`, beside(edge), down);
  };
  const inwards = project(top, view).px > surfaceSize.width / 2 ? "end" : "start";
  return [
    line([...base, first]),
    line([back, top]),
    word(top, view, `${unit} ${short(scale.min)} to ${short(scale.max)}`, inwards, -6),
    ends(
      x,
      [
        [0, -1, -h],
        [0, 1, -h],
      ],
      16,
    ),
    ends(
      y,
      [
        [1, 0, -h],
        [-1, 0, -h],
      ],
      20,
    ),
  ];
}

export const short = (value: number | undefined): string => {
  if (value === undefined) return "";
  return Math.abs(value) >= 100 || Number.isInteger(value)
    ? decimal(value, 0)
    : String(Number(value.toPrecision(3))).replace("-", "−");
};

/** A surface as it is seen from one side. */
export function drawSurface(surface: Surface, view: View): Drawing {
  const seen = patches(surface).map(({ corners, level }) => {
    const near = corners.reduce((sum, corner) => sum + project(corner, view).near, 0);
    const d = `${path(corners, view)}Z`;
    return { near, patch: { d, fill: rampColour(level), stroke: roles.paper, strokeWidth: 0.4 } };
  });
  seen.sort((a, b) => a.near - b.near);
  const rings = placedMarks(surface).flatMap(({ point, name }) => {
    const { px, py } = project(point, view);
    return ring(px, py, name, surfaceSize.width);
  });
  return { ...surfaceSize, shapes: [...frame(surface, view), ...seen.map(({ patch }) => patch), ...rings] };
}

/** A surface as SVG. */
export function surfaceSvg(surface: Surface, view: View = firstView): string {
  return drawingSvg(drawSurface(surface, view));
}
