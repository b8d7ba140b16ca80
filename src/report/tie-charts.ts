import {
  bottomName,
  type ChartOption,
  fontSize,
  legend,
  renderSvg,
  textWidth,
  topName,
  valueAxis,
} from "./chart-frame.js";
import { label } from "./format.js";
import { roles, type Style } from "./palette.js";
import { niceScale } from "./scale.js";

const panelHeight = 250;
const rounded = (value: number): number => Number(value.toPrecision(6));
const mark = ({ colour, symbol }: Style) =>
  ({
    ...{ symbol, symbolSize: 7, showSymbol: true, color: colour.light, silent: true },
    itemStyle: { color: colour.light, borderColor: roles.paper.light, borderWidth: 1 },
    emphasis: { disabled: true },
  }) as const;

/** Shares of scores near the threshold by distance; `points` are `[distance, percent]`, distances above 0 and ascending. */
export interface TieLine {
  readonly name: string;
  readonly style: Style;
  readonly points: readonly (readonly [delta: number, percent: number])[];
}

/** Shares over distances on a logarithmic axis. */
export function tieChart(id: string, lines: readonly TieLine[], names: { x: string; unit: string }): string {
  const deltas = [...new Set(lines.flatMap(({ points }) => points.map(([delta]) => delta)))].sort((a, b) => a - b);
  const scale = niceScale(
    lines.flatMap(({ points }) => points.map(([, percent]) => rounded(percent))),
    { zero: true },
  );
  const left = Math.max(46, ...[scale.min, scale.max].map((value) => textWidth(scale.show(value)) + 10));
  const key = legend(lines, 22);
  const [first = 1, last = 1] = [deltas[0], deltas.at(-1)];
  const option: ChartOption = {
    legend: key.option,
    grid: { left, right: 16, top: key.height + 34, bottom: 42, outerBoundsMode: "none" },
    // The logarithm is taken here: ECharts would put its ticks at powers of ten alone.
    xAxis: {
      type: "value",
      ...{ min: rounded(Math.log10(first) - 0.05), max: rounded(Math.log10(last) + 0.05) },
      ...bottomName(names.x),
      splitLine: { show: false },
      axisLine: { show: true, onZero: false, lineStyle: { color: roles.rule.light } },
      axisTick: { show: true, customValues: deltas.map((delta) => rounded(Math.log10(delta))) },
      axisLabel: {
        ...{ color: roles.muted.light, fontSize, hideOverlap: true },
        customValues: deltas.map((delta) => rounded(Math.log10(delta))),
        formatter: (value: number) => String(Number((10 ** value).toPrecision(2))),
      },
    },
    yAxis: { ...valueAxis(scale), ...topName(names.unit, left) },
    series: lines.map(({ name, style, points }) => ({
      ...{ type: "line" as const, name, ...mark(style), lineStyle: { color: style.colour.light, width: 2 } },
      data: points.map(([delta, percent]) => [rounded(Math.log10(delta)), rounded(percent)]),
    })),
  };
  return renderSvg(id, option, panelHeight + key.height);
}

/** A symbol for each layer that is known of, in the layers' order. */
export interface LayerDots {
  readonly name: string;
  readonly style: Style;
  readonly percents: readonly (number | null)[];
}

/** Shares of every layer, several networks in a row. */
export function layerDotChart(
  id: string,
  layers: readonly string[],
  dots: readonly LayerDots[],
  options: { unit: string },
): string {
  const names = layers.map((name) => label(name, 24));
  const key = legend(dots, 22);
  const known = dots.flatMap(({ percents }) => percents.filter((percent) => percent !== null));
  const margin = Math.min(170, Math.max(40, ...names.map((name) => textWidth(name) + 14)));
  const option: ChartOption = {
    legend: key.option,
    grid: { left: margin, right: 16, top: key.height + 8, bottom: 42, outerBoundsMode: "none" },
    xAxis: { ...valueAxis(niceScale(known.map(rounded), { zero: true })), ...bottomName(options.unit) },
    yAxis: {
      ...{ type: "category", inverse: true, data: layers.map((_, index) => String(index)), axisTick: { show: false } },
      axisLine: { show: true, lineStyle: { color: roles.rule.light } },
      splitLine: { show: true, lineStyle: { color: roles.grid.light, width: 1 } },
      axisLabel: {
        ...{ color: roles.ink.light, fontSize: 11, margin: 10, interval: 0 },
        formatter: (_: string, index: number) => names[index] ?? "",
      },
    },
    series: dots.map(({ name, style, percents }) => ({
      ...{ type: "line" as const, name, ...mark(style), lineStyle: { width: 0 } },
      data: percents.flatMap((percent, index) => (percent === null ? [] : [[rounded(percent), index]])),
    })),
  };
  return renderSvg(id, option, key.height + layers.length * 19 + 52);
}
