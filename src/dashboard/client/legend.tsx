import { label } from "../../report/format.js";
import type { Curve } from "./line-option.js";

/** Outlines of the symbols around (11, 6). */
const outlines = {
  circle: "M7.5 6a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z",
  rect: "M8 3h6v6H8z",
  triangle: "M11 2l4 7H7z",
  diamond: "M11 1.5L15 6l-4 4.5L7 6z",
};

/** What the lines of a chart are called: beside the canvas, where it wraps as text does and follows the style sheet. */
export function Legend({ curves }: { readonly curves: readonly Curve[] }) {
  return (
    <ul class="legend">
      {curves.map(({ name, colour, symbol, dashes }) => (
        <li key={name}>
          <svg width="22" height="12" aria-hidden="true" style={{ color: `var(--${colour.name})` }}>
            <path
              d="M0 6h22"
              stroke="currentColor"
              stroke-width={symbol === undefined ? 1.2 : 2}
              stroke-dasharray={dashes?.join(" ")}
            />
            {symbol === undefined ? null : <path d={outlines[symbol]} fill="currentColor" />}
          </svg>
          {label(name, 40)}
        </li>
      ))}
    </ul>
  );
}
