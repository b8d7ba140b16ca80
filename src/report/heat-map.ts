import { label } from "./format.js";
import { ramp, rampColour, roles } from "./palette.js";
import { between, type Surface, short } from "./surface.js";
import { escapeXml } from "./xml.js";

const left = 56;
const top = 14;
const size = 260;
const width = 400;
const height = 318;

/** A surface from above: a coloured cell a point, the colours' scale beside it. Cells are as wide as their axis tells. */
export function heatMapSvg({ x, y, z, scale, unit }: Surface): string {
  const across = edges(x.at).map((share) => left + share * size);
  const down = edges(y.at).map((share) => top + (1 - share) * size);
  const cells = z.flatMap((row, r) =>
    row.map((value, c) => {
      const [x0 = 0, x1 = 0] = [across[c], across[c + 1]];
      const [y1 = 0, y0 = 0] = [down[r], down[r + 1]];
      const level = value === null ? null : between(value, scale.min, scale.max);
      const fill = level === null ? roles.band.light : rampColour(level).light;
      return `<path d="M${at(x0)} ${at(y0)}H${at(x1)}V${at(y1)}H${at(x0)}Z" fill="${fill}"></path>`;
    }),
  );
  return `<svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="11">
<g shape-rendering="crispEdges">${cells.join("\n")}</g>
${centre(x.at, y.at)}
${axes(x, y)}
${key(scale, unit)}
</svg>`;
}

const at = (value: number) => String(Number(value.toFixed(1)));

/** Borders of cells halfway between points, in [0,1]. */
function edges(values: readonly number[]): number[] {
  const inner = values.slice(1).map((value, i) => (value + (values[i] as number)) / 2);
  return [0, ...inner.map((edge) => share(values, edge)), 1];
}

/** Half a step beyond the first and the last point. */
function outer(values: readonly number[]): [number, number] {
  const [a = 0, b = 0] = values;
  const [y = 0, z = 0] = values.slice(-2);
  return [a - (b - a) / 2, z + (z - y) / 2];
}

/** Where a value stands between the outer edges, in [0,1]. */
function share(values: readonly number[], value: number): number {
  const [first, last] = outer(values);
  return (value - first) / (last - first);
}

const text = (x: number, y: number, words: string, anchor: string, colour: string = roles.muted.light) =>
  `<text x="${at(x)}" y="${at(y)}" text-anchor="${anchor}" fill="${colour}">${escapeXml(words)}</text>`;

/** A ring where both directions are 0: the solution itself. */
function centre(x: readonly number[], y: readonly number[]): string {
  const inside = (values: readonly number[]) => (values[0] as number) <= 0 && 0 <= (values.at(-1) as number);
  if (!inside(x) || !inside(y)) return "";
  const [cx, cy] = [left + share(x, 0) * size, top + (1 - share(y, 0)) * size];
  return `<circle cx="${at(cx)}" cy="${at(cy)}" r="5" fill="none" stroke="${roles.paper.light}" stroke-width="3"></circle><circle cx="${at(cx)}" cy="${at(cy)}" r="5" fill="none" stroke="${roles.ink.light}" stroke-width="1"></circle>`;
}

function axes(x: Surface["x"], y: Surface["y"]): string {
  const ends = (values: readonly number[]) => [values[0] as number, values.at(-1) as number];
  const below = ends(x.at).map((value) =>
    text(left + share(x.at, value) * size, top + size + 14, short(value), "middle"),
  );
  const beside = ends(y.at).map((value) =>
    text(left - 6, top + (1 - share(y.at, value)) * size + 4, short(value), "end"),
  );
  const middle = top + size / 2;
  return [
    ...below,
    ...beside,
    text(left + size / 2, top + size + 32, label(x.name, 40), "middle"),
    `<g transform="rotate(-90 14 ${middle})">${text(14, middle, label(y.name, 40), "middle")}</g>`,
  ].join("\n");
}

/** The ramp with its ends. */
function key(scale: Surface["scale"], unit: string): string {
  const [x, step] = [left + size + 20, size / ramp.length];
  const bars = ramp.map(
    ({ light }, i) => `<path d="M${x} ${at(top + size - i * step)}h12v${at(-step - 0.3)}h-12Z" fill="${light}"></path>`,
  );
  const ticks = [0, 0.5, 1].map((share) =>
    text(x + 17, top + (1 - share) * size + 4, short(scale.min + share * (scale.max - scale.min)), "start"),
  );
  return [...bars, ...ticks, text(x, top + size + 32, label(unit, 12), "start")].join("\n");
}
