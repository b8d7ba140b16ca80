import type { CustomSeriesOption } from "echarts/charts";
import { bottomName, type ChartOption, fontSize, legend, renderSvg, textWidth, valueAxis } from "./chart-frame.js";
import type { Interval } from "./format.js";
import { decimal, label } from "./format.js";
import { type Colour, roles, stageColours } from "./palette.js";

/** Accuracies of a class, in percent. */
export interface ClassBar {
  readonly name: string;
  readonly clean: number | null;
  readonly robust: number | null;
  /** Of `robust`. */
  readonly interval: Interval | null;
}

type Api = Parameters<NonNullable<CustomSeriesOption["renderItem"]>>[1];

const rowHeight = 24;
const pale = stageColours[0] as Colour;

/** Robust accuracy of each class with its interval, in front of its clean accuracy. */
export function classChart(id: string, bars: readonly ClassBar[], options: { unit: string; colour: Colour }): string {
  const names = bars.map(({ name }) => label(name, 20));
  const key = legend(
    [
      { name: "clean", icon: "rect" },
      { name: "robust, 95 % interval", icon: "rect" },
    ],
    12,
  );
  const option: ChartOption = {
    legend: key.option,
    grid: {
      left: Math.min(150, Math.max(40, ...names.map((name) => textWidth(name) + 14))),
      ...{ right: 44, top: key.height + 8, bottom: 42, outerBoundsMode: "none" },
    },
    xAxis: { ...valueAxis({ min: 0, max: 100, interval: 25, show: String }), ...bottomName(options.unit) },
    yAxis: {
      type: "category",
      inverse: true,
      data: bars.map((_, index) => String(index)),
      axisLine: { show: true, lineStyle: { color: roles.rule.light } },
      axisTick: { show: false },
      axisLabel: {
        ...{ color: roles.ink.light, fontSize: 11, margin: 8, interval: 0 },
        formatter: (_: string, index: number) => names[index] ?? "",
      },
    },
    series: [
      { type: "bar", name: "clean", color: pale.light, data: [] },
      { type: "bar", name: "robust, 95 % interval", color: options.colour.light, data: [] },
      {
        type: "custom",
        silent: true,
        data: bars.map((_, index) => [index, 0]),
        encode: { x: 1, y: 0 },
        renderItem: (params, api) => row(api, params.dataIndex, bars[params.dataIndex] as ClassBar, options.colour),
      },
    ],
  };
  return renderSvg(id, option, key.height + bars.length * rowHeight + 52);
}

const rounded = (value: number): number => Number(value.toPrecision(6));

function row(api: Api, index: number, { clean, robust, interval }: ClassBar, colour: Colour) {
  const x = (value: number) => rounded(api.coord([value, index])[0] ?? 0);
  const y = api.coord([0, index])[1] ?? 0;
  const bar = (value: number | null, height: number, fill: string) => ({
    type: "rect" as const,
    shape: { x: x(0), y: y - height / 2, width: value === null ? 0 : x(value) - x(0), height },
    style: { fill },
  });
  const line = (x1: number, y1: number, x2: number, y2: number) => ({
    type: "line" as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: roles.ink.light, lineWidth: 1.5 },
  });
  const [lo, hi] = interval === null ? [0, 0] : [x(interval[0]), x(interval[1])];
  const end = Math.max(hi, x(robust ?? 0));
  const words = {
    type: "text" as const,
    style: {
      ...{ x: end + 5, y, text: decimal(robust, 1), fill: roles.ink.light, fontSize: fontSize - 1 },
      verticalAlign: "middle" as const,
    },
  };
  const whisker = interval === null ? [] : [line(lo, y, hi, y), line(lo, y - 3, lo, y + 3), line(hi, y - 3, hi, y + 3)];
  return {
    type: "group" as const,
    children: [bar(clean, 16, pale.light), bar(robust, 9, colour.light), ...whisker, words],
  };
}
