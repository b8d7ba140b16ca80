import { type Drawing, drawingSvg, type Path, type Shape, tenth, type Word } from "./drawing.js";
import { label, significant } from "./format.js";
import { ring } from "./marks.js";
import { ramp, rampColour, roles } from "./palette.js";
import { between, inside, type Surface, short } from "./surface.js";

const left = 56;
const top = 14;
const size = 260;
const width = 400;
const height = 318;

/**
 * A surface from above: a coloured cell a point, the colours' scale beside it. Cells are as wide as their axis tells. Marks are ringed
 * where they are inside.
 */
export function drawHeatMap({ x, y, z, scale, unit, marks = [] }: Surface): Drawing {
  const across = edges(x.at).map((share) => left + share * size);
  const down = edges(y.at).map((share) => top + (1 - share) * size);
  const cells = z.flatMap((row, r) =>
    row.map((value, c): Path => {
      const [x0 = 0, x1 = 0] = [across[c], across[c + 1]];
      const [y1 = 0, y0 = 0] = [down[r], down[r + 1]];
      const fill = value === null ? roles.band : rampColour(between(value, scale.min, scale.max));
      const hint = `${x.name} ${short(x.at[c])}, ${y.name} ${short(y.at[r])}: ${unit} ${significant(value)}`;
      return { d: `M${tenth(x0)} ${tenth(y0)}H${tenth(x1)}V${tenth(y1)}H${tenth(x0)}Z`, fill, crisp: true, hint };
    }),
  );
  const rings = marks
    .filter((mark) => inside(x.at, mark.x) && inside(y.at, mark.y))
    .flatMap((mark) => {
      const [px, py] = [left + share(x.at, mark.x) * size, top + (1 - share(y.at, mark.y)) * size];
      return ring(px, py, mark.name, left + size);
    });
  return { width, height, shapes: [...cells, ...rings, ...axes(x, y), ...key(scale, unit)] };
}

/** The same as SVG. */
export const heatMapSvg = (surface: Surface): string => drawingSvg(drawHeatMap(surface));

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

function axes(x: Surface["x"], y: Surface["y"]): Word[] {
  const ends = (values: readonly number[]) => [values[0] as number, values.at(-1) as number];
  const below = ends(x.at).map((value): Word => {
    return { text: short(value), x: left + share(x.at, value) * size, y: top + size + 14, anchor: "middle" };
  });
  const beside = ends(y.at).map((value): Word => {
    return { text: short(value), x: left - 6, y: top + (1 - share(y.at, value)) * size + 4, anchor: "end" };
  });
  return [
    ...below,
    ...beside,
    { text: label(x.name, 40), x: left + size / 2, y: top + size + 32, anchor: "middle" },
    { text: label(y.name, 40), x: 14, y: top + size / 2, anchor: "middle", upwards: true },
  ];
}

/** The ramp with its ends. */
function key(scale: Surface["scale"], unit: string): Shape[] {
  const [x, step] = [left + size + 20, size / ramp.length];
  const bars = ramp.map(
    (fill, i): Path => ({ d: `M${x} ${tenth(top + size - i * step)}h12v${tenth(-step - 0.3)}h-12Z`, fill }),
  );
  const ticks = [0, 0.5, 1].map((share): Word => {
    const text = short(scale.min + share * (scale.max - scale.min));
    return { text, x: x + 17, y: top + (1 - share) * size + 4, anchor: "start" };
  });
  return [...bars, ...ticks, { text: label(unit, 12), x, y: top + size + 32, anchor: "start" }];
}
