import { type Path, type Shape, tenth } from "./drawing.js";
import { label } from "./format.js";
import { roles } from "./palette.js";

/** A point of a plane that is ringed. */
export interface Mark {
  readonly x: number;
  readonly y: number;
  /** Stands beside the ring; empty for none. */
  readonly name: string;
}

/** Roughly as wide as a letter of a word comes out. */
export const letter = 6;

/** A ring at a point of a picture, its name beside it on paper: to the right where there is room up to `end`, else to the left. */
export function ring(px: number, py: number, name: string, end: number): Shape[] {
  const d = `M${tenth(px - 5)} ${tenth(py)}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z`;
  const circle: Path[] = [
    { d, stroke: roles.paper, strokeWidth: 3 },
    { d, stroke: roles.ink },
  ];
  const text = label(name, 24);
  if (text === "") return circle;
  const long = letter * text.length + 8;
  const x = px + 9 + long <= end ? px + 9 : px - 9 - long;
  const plate: Path = { d: `M${tenth(x)} ${tenth(py - 8)}h${long}v16h${-long}Z`, fill: roles.paper };
  return [...circle, plate, { text, x: x + long / 2, y: py + 4, anchor: "middle" }];
}
