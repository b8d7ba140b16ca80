import { type ComponentProps, h } from "preact";
import { type Drawing, shapeElement, wordSize } from "../../report/drawing.js";
import type { Colour } from "../../report/palette.js";

interface DrawingPictureProps extends ComponentProps<"svg"> {
  readonly drawing: Drawing;
  /** What a reader who does not see the picture is told. */
  readonly told: string;
}

/** Colours as the style sheet has them, light or dark. */
const variable = ({ name }: Colour): string => `var(--${name})`;

/** A drawing of reports on the page. */
export function DrawingPicture({ drawing: { width, height, shapes }, told, ...more }: DrawingPictureProps) {
  return (
    <svg
      class="drawing"
      role="img"
      aria-label={told}
      viewBox={`0 0 ${width} ${height}`}
      font-family="system-ui, sans-serif"
      font-size={wordSize}
      {...more}
    >
      {shapes.map((shape, at) => {
        const { tag, attributes, text } = shapeElement(shape, variable);
        const hint = "hint" in shape ? h("title", {}, shape.hint) : text;
        return h(tag, { key: at, ...attributes }, hint);
      })}
    </svg>
  );
}
