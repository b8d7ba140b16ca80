import type { CustomSeriesOption } from "echarts/charts";
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
import type { Interval } from "./format.js";
import { count, decimal, label } from "./format.js";
import { type Colour, roles, type Style } from "./palette.js";
import { epochTicks, niceScale, type ScaleOptions } from "./scale.js";

/** Axis labels are rounded to what is drawn, so that the bytes do not depend on the last digit of a sum. */
const rounded = (value: number): number => Number(value.toPrecision(6));

/** A line of a chart over epochs; `points` are `[epoch counted from 1, value]`. */
export interface Line {
  readonly name: string;
  readonly style: Style;
  readonly points: readonly (readonly [epoch: number, value: number | null])[];
  /** What is known of each point beyond its value. */
  readonly ranges?: readonly (Interval | null)[];
}

/** Sizes at which the symbols look alike. */
const symbolSizes = { circle: 7, rect: 6.5, triangle: 8.5, diamond: 9.5 } as const;

const panelHeight = 250;
const right = 12;

/** Curves over epochs from `first` (default 1) on. `unit` names the vertical axis; `zero` keeps 0 in sight. */
export function lineChart(
  id: string,
  lines: readonly Line[],
  options: ScaleOptions & { unit: string; first?: number },
): string {
  const { first = 1 } = options;
  const last = Math.max(1, ...lines.flatMap((line) => line.points.map(([epoch]) => epoch)));
  const pad = last === first ? 0.5 : (last - first) * 0.03;
  const ticks = first < 1 ? [0, ...epochTicks(last)] : epochTicks(last);
  const values = lines.flatMap((line) => line.points.flatMap(([, value]) => (value === null ? [] : rounded(value))));
  const ends = lines.flatMap(({ ranges = [] }) => ranges.flatMap((range) => (range ?? []).map(rounded)));
  const scale = niceScale([...values, ...ends], options);
  const left = Math.max(46, ...[scale.min, scale.max].map((value) => textWidth(scale.show(value)) + 10));
  const key = legend(lines, 22);
  const option: ChartOption = {
    legend: key.option,
    grid: { left, right, top: key.height + 34, bottom: 42, outerBoundsMode: "none" },
    xAxis: {
      type: "value",
      min: first - pad,
      max: last + pad,
      ...bottomName("epoch"),
      splitLine: { show: false },
      axisLine: { show: true, onZero: false, lineStyle: { color: roles.rule.light } },
      axisTick: { show: true, customValues: ticks, lineStyle: { color: roles.rule.light } },
      axisLabel: { color: roles.muted.light, fontSize, customValues: ticks, hideOverlap: true },
    },
    yAxis: { ...valueAxis(scale), ...topName(options.unit, left) },
    series: [
      ...lines.flatMap(rangeSeries),
      ...lines.map(({ name, style, points }, index) => ({
        type: "line" as const,
        name,
        data: points.map(([epoch, value], at) => ({
          value: [epoch, value === null ? null : rounded(value)] as [number, number | null],
          symbol: marked(at, points.length, index) ? style.symbol : "none",
        })),
        symbol: style.symbol,
        symbolSize: symbolSizes[style.symbol],
        showSymbol: true,
        color: style.colour.light,
        lineStyle: { color: style.colour.light, width: 2 },
        itemStyle: { color: style.colour.light, borderColor: roles.paper.light, borderWidth: 1 },
        emphasis: { disabled: true },
        silent: true,
      })),
    ],
  };
  return renderSvg(id, option, panelHeight + key.height);
}

/** Upright bars with ends, from low to high. */
function rangeSeries({ points, ranges = [], style }: Line): CustomSeriesOption[] {
  const known = ranges.flatMap((range, i) => (range === null ? [] : [[points[i]?.[0] ?? 0, ...range].map(rounded)]));
  if (known.length === 0) return [];
  return [
    {
      type: "custom",
      silent: true,
      data: known,
      encode: { x: 0, y: [1, 2] },
      renderItem: (_, api) => {
        const [x = 0, low = 0] = api.coord([api.value(0), api.value(1)]);
        const [, high = 0] = api.coord([api.value(0), api.value(2)]);
        const line = (x1: number, y1: number, x2: number, y2: number) => ({
          type: "line" as const,
          shape: { x1, y1, x2, y2 },
          style: { stroke: style.colour.light, lineWidth: 1.5 },
        });
        return {
          type: "group",
          children: [line(x, low, x, high), line(x - 4, low, x + 4, low), line(x - 4, high, x + 4, high)],
        };
      },
    },
  ];
}

/** On long curves a symbol every so often, not at the same epochs on every line. */
function marked(at: number, points: number, line: number): boolean {
  const step = points <= 30 ? 1 : Math.ceil(points / 8);
  return (at + line * Math.ceil(step / 3)) % step === step - 1;
}

/** A measured value with its interval, in percent. */
export interface Estimate {
  readonly name: string;
  readonly style: Style;
  readonly value: number;
  readonly interval: Interval | null;
}

const rowHeight = 46;

/** Dots with their 95 % intervals; the grey band is the first row's interval, to compare the others with. */
export function intervalChart(id: string, estimates: readonly Estimate[], options: { unit: string }): string {
  const names = estimates.map(({ name }) => label(name, 20));
  const margin = nameMargin(names);
  const band = estimates[0]?.interval;
  const ends = estimates.flatMap(({ value, interval }) => interval ?? [value]).map(rounded);
  const option: ChartOption = {
    grid: { left: margin, right: 14, top: 8, bottom: 42, outerBoundsMode: "none" },
    xAxis: { ...valueAxis(niceScale(ends, { zero: false })), ...bottomName(options.unit) },
    yAxis: {
      ...nameAxis(estimates.map((_, index) => String(index))),
      axisLabel: { ...nameLabel, formatter: (_: string, index: number) => names[index] ?? "" },
    },
    series: [
      ...(band ? [bandSeries(band)] : []),
      {
        type: "custom",
        silent: true,
        z: 3,
        encode: { x: [1, 2, 3], y: 0 },
        data: estimates.map(({ value, interval }, index) =>
          [index, value, interval?.[0] ?? value, interval?.[1] ?? value].map(rounded),
        ),
        renderItem: (params, api) => whisker(api, (estimates[params.dataIndex] as Estimate).style.colour),
      },
    ],
  };
  return renderSvg(id, option, estimates.length * rowHeight + 50);
}

type Api = Parameters<NonNullable<CustomSeriesOption["renderItem"]>>[1];
type Item = ReturnType<NonNullable<CustomSeriesOption["renderItem"]>>;

function bandSeries([lo, hi]: Interval): CustomSeriesOption {
  return {
    type: "custom",
    silent: true,
    z: 1,
    data: [[lo, hi]],
    encode: { x: [0, 1] },
    renderItem: (params, api) => {
      const { y, height } = params.coordSys as unknown as { y: number; height: number };
      const from = api.coord([api.value(0), 0])[0] ?? 0;
      const to = api.coord([api.value(1), 0])[0] ?? 0;
      return { type: "rect", shape: { x: from, y, width: to - from, height }, style: { fill: roles.band.light } };
    },
  };
}

function whisker(api: Api, colour: Colour): Item {
  const at = (dimension: number) => api.coord([api.value(dimension), api.value(0)]);
  const [x = 0, y = 0] = at(1);
  const [lo = 0] = at(2);
  const [hi = 0] = at(3);
  const line = (x1: number, y1: number, x2: number, y2: number) => ({
    type: "line" as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: colour.light, lineWidth: 2 },
  });
  return {
    type: "group",
    children: [
      line(lo, y, hi, y),
      line(lo, y - 4, lo, y + 4),
      line(hi, y - 4, hi, y + 4),
      {
        type: "circle",
        shape: { cx: x, cy: y, r: 5 },
        style: { fill: colour.light, stroke: roles.paper.light, lineWidth: 1 },
      },
      {
        type: "text",
        style: {
          x,
          y: y - 9,
          text: decimal(Number(api.value(1)), 1),
          align: "center",
          verticalAlign: "bottom",
          fill: roles.ink.light,
          fontSize,
        },
      },
    ],
  };
}

const nameLabel = { color: roles.ink.light, fontSize, margin: 10, interval: 0 } as const;

function nameMargin(names: readonly string[]): number {
  return Math.min(170, Math.max(40, ...names.map((name) => textWidth(name) + 14)));
}

/** A vertical axis of names, the first on top. */
function nameAxis(names: readonly string[]) {
  return {
    type: "category" as const,
    inverse: true,
    data: [...names],
    axisLine: { show: true, lineStyle: { color: roles.rule.light } },
    axisTick: { show: false },
    axisLabel: nameLabel,
  };
}

/** Lying bars, one a name. */
export interface Bar {
  readonly name: string;
  readonly value: number;
}

/** Bars on a scale from 0 to 100, the value at the end of each. */
export function barChart(id: string, bars: readonly Bar[], options: { unit: string; colour: Colour }): string {
  const names = bars.map(({ name }) => label(name, 24));
  const option: ChartOption = {
    grid: { left: nameMargin(names), right: 40, top: 8, bottom: 42, outerBoundsMode: "none" },
    xAxis: { ...valueAxis({ min: 0, max: 100, interval: 25, show: String }), ...bottomName(options.unit) },
    yAxis: { ...nameAxis(names), axisLabel: { ...nameLabel, fontSize: 11 } },
    series: [
      {
        type: "bar",
        silent: true,
        data: bars.map(({ value }) => rounded(value)),
        barCategoryGap: "28%",
        itemStyle: { color: options.colour.light },
        label: {
          show: true,
          position: "right",
          distance: 4,
          color: roles.ink.light,
          fontSize: 11,
          formatter: ({ value }) => decimal(Number(value), 1),
        },
      },
    ],
  };
  return renderSvg(id, option, bars.length * 19 + 52);
}

/** Parts of a sum, one bar a name. */
export interface Stack {
  readonly name: string;
  readonly parts: readonly number[];
}

/** Stacked bars with the sum at the end of each; `parts` names what is stacked. */
export function stackChart(
  id: string,
  stacks: readonly Stack[],
  options: { unit: string; parts: readonly { name: string; colour: Colour }[] },
): string {
  const names = stacks.map(({ name }) => label(name, 20));
  const key = legend(
    options.parts.map(({ name }) => ({ name, icon: "rect" })),
    12,
  );
  const sums = stacks.map(({ parts }) => parts.reduce((a, b) => a + b, 0));
  const option: ChartOption = {
    legend: key.option,
    grid: { left: nameMargin(names), right: 44, top: key.height + 8, bottom: 42, outerBoundsMode: "none" },
    xAxis: { ...valueAxis(niceScale(sums, { zero: true })), ...bottomName(options.unit) },
    yAxis: {
      ...nameAxis(stacks.map((_, index) => String(index))),
      axisLabel: { ...nameLabel, formatter: (_: string, index: number) => names[index] ?? "" },
    },
    series: options.parts.map(({ name, colour }, part) => ({
      type: "bar" as const,
      name,
      stack: "sum",
      silent: true,
      barWidth: 18,
      data: stacks.map(({ parts }) => rounded(parts[part] ?? 0)),
      itemStyle: { color: colour.light },
      label: {
        show: part === options.parts.length - 1,
        position: "right" as const,
        distance: 4,
        color: roles.ink.light,
        fontSize,
        formatter: ({ dataIndex }: { dataIndex: number }) => count(sums[dataIndex]),
      },
    })),
  };
  return renderSvg(id, option, key.height + stacks.length * 36 + 50);
}
