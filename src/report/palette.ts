/** One colour in its two shades: on white (and paper), and on the dark page. */
export interface Colour {
  /** Name of the CSS variable in the page. */
  readonly name: string;
  readonly light: string;
  readonly dark: string;
}

/** Colour and symbol of a row, so that a reader who sees no colours can tell the rows apart. */
export interface Style {
  readonly colour: Colour;
  readonly symbol: "circle" | "rect" | "triangle" | "diamond";
}

const colour = (name: string, light: string, dark: string): Colour => ({ name, light, dark });

/** What charts are drawn with besides the rows' colours. No two roles share a shade: the page tells them by it. */
export const roles = {
  ink: colour("ink", "#1c2127", "#e8eaed"),
  muted: colour("muted", "#56606b", "#a3acb7"),
  rule: colour("rule", "#aab3bd", "#5b6570"),
  grid: colour("grid", "#e4e8ec", "#2e353d"),
  paper: colour("paper", "#ffffff", "#15191e"),
  band: colour("band", "#eceff3", "#242b33"),
} as const;

/** Stages from early to late, as shades: they are parts of one sum, not rows. */
export const stageColours: readonly Colour[] = [
  colour("stage-1", "#c6d0db", "#3d4854"),
  colour("stage-2", "#8797a8", "#6b7b8c"),
  colour("stage-3", "#4a5b6e", "#a9b7c6"),
  colour("stage-4", "#25313e", "#dbe3eb"),
];

/** The unpruned network is the measure of the others, and neutral. */
const reference = colour("row-0", "#6a737d", "#b6bec8");

/** After Okabe and Ito, "Color universal design" (2008): told apart under every common colour blindness. */
const hues: readonly Colour[] = [
  colour("row-1", "#0072b2", "#56b4e9"),
  colour("row-2", "#d55e00", "#ff8a3d"),
  colour("row-3", "#009e73", "#2fcf9f"),
  colour("row-4", "#b5578f", "#e69ac6"),
  colour("row-5", "#8a6d00", "#f0d442"),
  colour("row-6", "#3f8fc4", "#9ad3f5"),
  colour("row-7", "#7a4fbf", "#b79bf0"),
];

/**
 * From low to high for surfaces: lightness rises evenly from blue to yellow, so that it is read alike with and without colours. Both
 * pages have the same shades.
 */
const rampAnchors = ["#0d2a5c", "#2c5183", "#5a7a8f", "#8ea394", "#c6c879", "#fdea45"] as const;

function mixed(share: number): string {
  const place = share * (rampAnchors.length - 1);
  const from = Math.min(Math.floor(place), rampAnchors.length - 2);
  const [a, b] = [rampAnchors[from] ?? "", rampAnchors[from + 1] ?? ""];
  const channels = [1, 3, 5].map((at) => {
    const [low, high] = [a, b].map((shade) => Number.parseInt(shade.slice(at, at + 2), 16)) as [number, number];
    return Math.round(low + (high - low) * (place - from));
  });
  return `#${channels.map((channel) => channel.toString(16).padStart(2, "0")).join("")}`;
}

const rampSteps = 24;
export const ramp: readonly Colour[] = Array.from({ length: rampSteps }, (_, i) => {
  const shade = mixed(i / (rampSteps - 1));
  return colour(`ramp-${i}`, shade, shade);
});

/** The ramp's colour at a share in [0,1]. */
export function rampColour(share: number): Colour {
  const step = Math.min(rampSteps - 1, Math.max(0, Math.floor(share * rampSteps)));
  return ramp[step] as Colour;
}

const symbols = ["circle", "rect", "triangle", "diamond"] as const;

export const allColours: readonly Colour[] = [...Object.values(roles), ...stageColours, reference, ...hues, ...ramp];

/** The style of every row; rows that nothing was removed from are the reference. */
export function rowStyles(
  rows: readonly { readonly name: string; readonly sparsity?: number | null }[],
): ReadonlyMap<string, Style> {
  const styles = new Map<string, Style>();
  let next = 0;
  for (const row of rows) {
    if (styles.has(row.name)) continue;
    const dense = row.sparsity === 0 && ![...styles.values()].some((style) => style.colour === reference);
    const hue = hues[next % hues.length] as Colour;
    // Seven colours and four symbols: no pair comes twice in 28 rows.
    const symbol = symbols[(next + 1) % symbols.length] ?? "rect";
    styles.set(row.name, dense ? { colour: reference, symbol: "circle" } : { colour: hue, symbol });
    if (!dense) next += 1;
  }
  return styles;
}
