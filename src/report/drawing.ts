// A picture as data: reports write it as SVG text, and the live page makes elements of it.
import { label } from "./format.js";
import { type Colour, roles } from "./palette.js";
import { escapeXml } from "./xml.js";

/** Shapes from back to front, in units of `width` x `height`. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly Shape[];
}

export type Shape = Path | Word;

export interface Path {
  /** As SVG's `d`. */
  readonly d: string;
  /** Default: none. */
  readonly fill?: Colour;
  readonly stroke?: Colour;
  /** Default: 1. */
  readonly strokeWidth?: number;
  /** On whole dots, so that cells side by side leave no seams. */
  readonly crisp?: true;
  /** What a page tells under the pointer. */
  readonly hint?: string;
}

/** Muted text of 11 units. */
export interface Word {
  readonly text: string;
  readonly x: number;
  readonly y: number;
  readonly anchor: "start" | "middle" | "end";
  /** Read from below to above. */
  readonly upwards?: true;
}

/** A shape as an element of SVG. */
export interface ShapeElement {
  readonly tag: "path" | "text";
  readonly attributes: Readonly<Record<string, string>>;
  /** Not escaped. */
  readonly text: string;
}

/** A number of a path or a position, to a tenth. */
export const tenth = (value: number): string => String(Number(value.toFixed(1)));

/** The element of a shape, its colours named by `shade`. */
export function shapeElement(shape: Shape, shade: (colour: Colour) => string): ShapeElement {
  if ("text" in shape) {
    const [x, y] = [tenth(shape.x), tenth(shape.y)];
    const turned = shape.upwards && { transform: `rotate(-90 ${x} ${y})` };
    const attributes = { x, y, "text-anchor": shape.anchor, fill: shade(roles.muted), ...turned };
    return { tag: "text", attributes, text: label(shape.text) };
  }
  const { d, fill, stroke, strokeWidth, crisp } = shape;
  const attributes = {
    d,
    fill: fill === undefined ? "none" : shade(fill),
    ...(stroke !== undefined && { stroke: shade(stroke) }),
    ...(strokeWidth !== undefined && { "stroke-width": String(strokeWidth) }),
    ...(crisp && { "shape-rendering": "crispEdges" }),
  };
  return { tag: "path", attributes, text: "" };
}

export const wordSize = 11;

/** A drawing as SVG, in the shades of light pages. */
export function drawingSvg({ width, height, shapes }: Drawing): string {
  const lines = shapes.map((shape) => {
    const { tag, attributes, text } = shapeElement(shape, ({ light }) => light);
    const named = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`);
    return `<${tag}${named.join("")}>${escapeXml(text)}</${tag}>`;
  });
  return `<svg width="${width}" height="${height}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="${wordSize}">
${lines.join("\n")}
</svg>`;
}
