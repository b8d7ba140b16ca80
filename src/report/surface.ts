// A surface z(x, y) seen from one side: every patch between four neighbours of the grid is projected (turned about the upright axis,
// tilted, without perspective) and painted from back to front, so that near ones cover far ones. The page's script draws the same
// from other sides.
import { decimal } from "./format.js";
import { rampColour, roles } from "./palette.js";
import { escapeXml } from "./xml.js";

/** What is drawn; `z` has a row for each y, `null` where nothing is known. */
export interface Surface {
  readonly x: { readonly name: string; readonly at: readonly number[] };
  readonly y: { readonly name: string; readonly at: readonly number[] };
  readonly z: readonly (readonly (number | null)[])[];
  /** Ends of the upright axis and of the colours, shared by surfaces that are compared. */
  readonly scale: { readonly min: number; readonly max: number };
  readonly unit: string;
}

/** Where from, in radians. */
export interface View {
  readonly turn: number;
  readonly tilt: number;
}

export const firstView: View = { turn: -0.7, tilt: 0.5 };
export const surfaceSize = { width: 400, height: 320 } as const;

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

function patches({ x, y, z, scale }: Surface): Patch[] {
  const place = (values: readonly number[], i: number) =>
    2 * between(values[i] as number, values[0] as number, values.at(-1) as number) - 1;
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

const at = (value: number) => String(Number(value.toFixed(1)));
const path = (points: readonly Point[], view: View) =>
  points
    .map((point, i) => {
      const { px, py } = project(point, view);
      return `${i === 0 ? "M" : "L"}${at(px)} ${at(py)}`;
    })
    .join("");

/** The outline of the base and one upright, with the ends of the axes named. */
function frame({ x, y, scale, unit }: Surface, view: View): string {
  const h = halfHeight;
  const base: Point[] = [
    [-1, -1, -h],
    [1, -1, -h],
    [1, 1, -h],
    [-1, 1, -h],
    [-1, -1, -h],
  ];
  const line = (points: readonly Point[]) =>
    `<path d="${path(points, view)}" fill="none" stroke="${roles.rule.light}"></path>`;
  const word = (point: Point, text: string, anchor: string, dy = 0) => {
    const { px, py } = project(point, view);
    return `<text x="${at(px)}" y="${at(py + dy)}" text-anchor="${anchor}" font-size="11" fill="${roles.muted.light}">${escapeXml(text)}</text>`;
  };
  const ends = (axis: Surface["x"]) => `${axis.name}: ${short(axis.at[0])} to ${short(axis.at.at(-1))}`;
  return [
    line(base),
    line([
      [-1, 1, -h],
      [-1, 1, h],
    ]),
    word([-1, 1, h], `${unit} ${short(scale.min)} to ${short(scale.max)}`, "start", -6),
    word([0, -1, -h], ends(x), "end", 16),
    word([1, 0, -h], ends(y), "start", 20),
  ].join("");
}

export const short = (value: number | undefined): string => {
  if (value === undefined) return "";
  return Math.abs(value) >= 100 || Number.isInteger(value)
    ? decimal(value, 0)
    : String(Number(value.toPrecision(2))).replace("-", "−");
};

/** A surface as SVG. */
export function surfaceSvg(surface: Surface, view: View = firstView): string {
  const { width, height } = surfaceSize;
  const seen = patches(surface).map(({ corners, level }) => {
    const near = corners.reduce((sum, corner) => sum + project(corner, view).near, 0);
    return {
      near,
      text: `<path d="${path(corners, view)}Z" fill="${rampColour(level).light}" stroke="${roles.paper.light}" stroke-width="0.4"></path>`,
    };
  });
  seen.sort((a, b) => a.near - b.near);
  return `<svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif">
${frame(surface, view)}
${seen.map(({ text }) => text).join("\n")}
</svg>`;
}
