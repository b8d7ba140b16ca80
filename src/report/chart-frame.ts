import { createRequire } from "node:module";
import type { BarSeriesOption, CustomSeriesOption, LineSeriesOption } from "echarts/charts";
import type { GridComponentOption, LegendComponentOption } from "echarts/components";
import type { ComposeOption } from "echarts/core";
import { label } from "./format.js";
import { roles } from "./palette.js";
import type { Scale } from "./scale.js";

/** ECharts, loaded when the first chart is drawn, as one file: most commands draw none, and its parts are hundreds of files. */
let loaded: typeof import("echarts") | undefined;
const echarts = () =>
  (loaded ??= createRequire(import.meta.url)("echarts/dist/echarts.min.js") as typeof import("echarts"));

export type ChartOption = ComposeOption<
  LineSeriesOption | BarSeriesOption | CustomSeriesOption | GridComponentOption | LegendComponentOption
>;

/** Every panel is as wide as a column of the page, so that its text keeps its size there. */
export const width = 400;
export const fontSize = 12;
const legendLine = 20;
/** Wide enough for fonts that come out wider than they were measured. */
const legendGap = 22;

/** Draws an option as SVG text: the same option gives the same bytes, in any process and any order. */
export function renderSvg(id: string, option: ChartOption, height: number): string {
  const chart = echarts().init(null, null, { renderer: "svg", ssr: true, width, height });
  try {
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: "system-ui, sans-serif", fontSize, color: roles.muted.light },
      ...option,
    });
    return tidy(id, chart.renderToSVGString());
  } finally {
    // An instance keeps timers: left alone, the process would not end.
    chart.dispose();
  }
}

/** Removes what serves a mouse only, and the counters that depend on what was drawn before. */
function tidy(id: string, svg: string): string {
  return svg
    .replace(/<style\s*>[\s\S]*?<\/style>/g, "")
    .replace(/<path [^>]*fill-opacity="0"[^>]*><\/path>\n?/g, "")
    .replace(/<path [^>]*pointer-events="visible"[^>]*><\/path>\n?/g, (path) => (path.includes(" stroke=") ? path : ""))
    .replace(/ (class="zr[^"]*"|ecmeta_[a-z_]+="[^"]*"|pointer-events="[a-z]*")/g, "")
    .replace(/\bzr\d+-c(\d+)/g, `${id}-clip$1`)
    .replace(/\n{2,}/g, "\n");
}

/** Roughly as wide as the text comes out; generous, so that nothing touches. */
export function textWidth(text: string): number {
  return [...text].reduce((sum, character) => sum + (/[\u2e80-\uffef]/.test(character) ? 13 : 7.2), 0);
}

export interface LegendEntry {
  readonly name: string;
  readonly icon?: string;
}

/** A legend in as many lines as its names need; `height` is what it takes from the panel. */
export function legend(
  entries: readonly LegendEntry[],
  symbolWidth: number,
): { option: LegendComponentOption[]; height: number } {
  const lines: LegendEntry[][] = [];
  let room = 0;
  for (const entry of entries) {
    const needed = symbolWidth + 8 + textWidth(legendName(entry.name)) + legendGap;
    if (lines.length === 0 || room < needed) {
      lines.push([]);
      room = width;
    }
    lines.at(-1)?.push(entry);
    room -= needed;
  }
  const option = lines.map(
    (line, index): LegendComponentOption => ({
      type: "plain",
      left: 0,
      top: index * legendLine,
      padding: [2, 0],
      itemGap: legendGap,
      itemWidth: symbolWidth,
      itemHeight: 9,
      selectedMode: false,
      formatter: legendName,
      textStyle: { color: roles.ink.light, fontSize },
      data: line.map(({ name, icon }) => (icon === undefined ? { name } : { name, icon })),
    }),
  );
  return { option, height: lines.length * legendLine };
}

/** Long names would push each other out of the panel; the table beside it has them whole. */
function legendName(name: string): string {
  return label(name, 36);
}

/** A value axis without a line of its own: the grid lines do its work. */
export function valueAxis({ min, max, interval, show }: Scale) {
  return {
    type: "value",
    min,
    max,
    interval,
    // Without onZero, the axis stands at the edge even where the other axis has a 0.
    axisLine: { show: false, onZero: false },
    axisTick: { show: false },
    splitLine: { show: true, lineStyle: { color: roles.grid.light, width: 1 } },
    axisLabel: { color: roles.muted.light, fontSize, hideOverlap: true, formatter: show },
  } as const;
}

/** The axis name on top of a vertical axis, flush with the left edge of the panel. */
export function topName(name: string, left: number) {
  return {
    name,
    nameLocation: "end",
    nameGap: 12,
    nameTextStyle: { align: "left", color: roles.muted.light, fontSize, padding: [0, 0, 0, -left] as number[] },
  } as const;
}

export function bottomName(name: string) {
  return { name, nameLocation: "middle", nameGap: 26, nameTextStyle: { color: roles.muted.light, fontSize } } as const;
}
