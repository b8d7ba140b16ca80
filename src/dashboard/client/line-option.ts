import type { EChartsOption, LineSeriesOption } from "echarts";
import { label } from "../../report/format.js";
import { type Colour, roles, type Style } from "../../report/palette.js";
import { shade } from "./theme.js";
import { percentTick } from "./words.js";

export interface Curve {
  readonly name: string;
  readonly colour: Colour;
  readonly points: readonly (readonly [x: number, y: number | null])[];
  /** Single measurements get a symbol each. */
  readonly symbol?: Style["symbol"];
  /** Of a line without symbols: lengths of dashes and gaps in turns, pixels; default none. */
  readonly dashes?: readonly number[];
}

/** Dashes in place of symbols where a line has too many points for them. */
export const dashesOf: Readonly<Record<Style["symbol"], readonly number[]>> = {
  circle: [],
  rect: [7, 3],
  triangle: [2, 2],
  diamond: [9, 3, 2, 3],
};

export interface LineOptions {
  readonly curves: readonly Curve[];
  readonly xName: string;
  readonly yName: string;
  /** Values are shares, shown in per cent. */
  readonly percent?: boolean;
  /** Ends of the axes; default: from 0 to the end of the epoch that is under way, and around the values. */
  readonly xRange?: readonly [from: number, to: number];
  readonly yRange?: readonly [from: number, to: number];
  /** The axis is one of logarithms; needs `xRange`. */
  readonly xLog?: boolean;
  /** A value holds up to the next point; default: lines between points. */
  readonly steps?: boolean;
  /** Vertical lines with a name: where a stage begins. */
  readonly marks?: readonly { readonly at: number; readonly name: string }[];
}

const fontSize = 12;
const NAME = 40;
/** More on one line would hide it. */
const MOST_SYMBOLS = 120;

const digits = (value: number) => (Math.abs(value) >= 0.01 || value === 0 ? value.toFixed(3) : value.toExponential(1));

/** A number of a chart, as its tooltip and its sentence say it. */
export function shown(value: number | null | undefined, percent = false): string {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return percent ? `${(100 * value).toFixed(1)} %` : digits(value);
}

/** A number and how far off it may be. */
export function within(value: number | null | undefined, off: number | null | undefined): string {
  return typeof value === "number" && typeof off === "number" ? `${shown(value)} ± ${shown(off)}` : shown(value);
}

/** What the newest points say, in words. */
export function lineSummary({ curves, percent }: LineOptions): string {
  const parts = curves
    .filter(({ points }) => points.length > 0)
    .map(({ name, points }) => `${name}: ${shown(points.at(-1)?.[1], percent)}`);
  return parts.length === 0 ? "Nothing yet." : `Newest values: ${parts.join("; ")}.`;
}

function series(curve: Curve, steps: boolean, marks: LineOptions["marks"]): LineSeriesOption {
  const colour = shade(curve.colour);
  const single = curve.symbol !== undefined;
  return {
    type: "line",
    name: label(curve.name, NAME),
    data: curve.points.map(([x, y]) => [x, y]),
    showSymbol: single && curve.points.length <= MOST_SYMBOLS,
    symbol: curve.symbol ?? "circle",
    symbolSize: 6,
    ...(steps ? { step: "end" } : { sampling: "lttb" }),
    animation: false,
    itemStyle: { color: colour },
    lineStyle: {
      ...{ color: colour, width: single ? 2 : 1.2 },
      ...(curve.dashes && curve.dashes.length > 0 && { type: [...curve.dashes] }),
    },
    ...(marks !== undefined && marks.length > 0 && { markLine: markLine(marks) }),
  };
}

function markLine(marks: NonNullable<LineOptions["marks"]>): NonNullable<LineSeriesOption["markLine"]> {
  return {
    symbol: "none",
    silent: true,
    animation: false,
    // By default a line stands where its value is rounded to two places.
    precision: 12,
    lineStyle: { color: shade(roles.rule), type: "solid", width: 1 },
    label: {
      formatter: "{b}",
      position: "insideEndTop",
      rotate: 0,
      color: shade(roles.muted),
      fontSize,
      align: "left",
    },
    data: marks.map(({ at, name }) => ({ xAxis: at, name })),
  };
}

const axis = (name: string) => ({
  name,
  type: "value" as const,
  nameTextStyle: { color: shade(roles.muted), fontSize },
  // At the edge, also where the other axis has a 0.
  axisLine: { onZero: false, lineStyle: { color: shade(roles.rule) } },
  axisLabel: { color: shade(roles.muted), fontSize, hideOverlap: true },
  splitLine: { lineStyle: { color: shade(roles.grid) } },
});

const furthest = (curves: readonly Curve[]) =>
  curves.reduce((most, { points }) => points.reduce((so, [x]) => Math.max(so, x), most), 0);

/** Lines over a common axis. Tooltips are drawn on the canvas: a name from a run's files never becomes markup. */
export function lineOption({
  curves,
  xName,
  yName,
  percent = false,
  steps = false,
  xLog = false,
  marks,
  ...ranges
}: LineOptions): EChartsOption {
  const [from, end] = ranges.xRange ?? [0, Math.max(1, Math.ceil(furthest(curves)))];
  const seen = marks?.filter(({ at }) => at < end);
  const marked = seen !== undefined && seen.length > 0;
  const alone = curves.reduce((sum, { points }) => sum + points.length, 0) < 2;
  return {
    backgroundColor: "transparent",
    textStyle: { fontFamily: "system-ui, sans-serif" },
    // Names of marks stand in a line of their own below the axis' name.
    grid: { left: 52, right: 16, top: marked ? 46 : 28, bottom: 40 },
    tooltip: {
      trigger: "axis",
      renderMode: "richText",
      backgroundColor: shade(roles.paper),
      borderColor: shade(roles.rule),
      textStyle: { color: shade(roles.ink), fontSize },
      valueFormatter: (value) => shown(typeof value === "number" ? value : null, percent),
    },
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl" }],
    xAxis: {
      ...axis(xName),
      ...(xLog && { type: "log" as const }),
      nameLocation: "middle",
      nameGap: 26,
      ...{ min: from, max: end, ...(ranges.xRange === undefined && { minInterval: 1 }) },
      splitLine: { show: false },
    },
    yAxis: {
      ...axis(yName),
      // So many parts or up to twice as many; one number needs few.
      splitNumber: alone ? 2 : 4,
      ...{ scale: true, nameLocation: "end", nameGap: marked ? 26 : 10 },
      ...(ranges.yRange && { min: ranges.yRange[0], max: ranges.yRange[1] }),
      nameTextStyle: { align: "left", padding: [0, 0, 0, -44], color: shade(roles.muted), fontSize },
      axisLabel: { color: shade(roles.muted), fontSize, formatter: percent ? percentTick : String },
    },
    series: curves.map((curve, i) => series(curve, steps, i === 0 ? seen : undefined)),
  };
}
