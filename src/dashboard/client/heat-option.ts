import type { EChartsOption } from "echarts";
import { label } from "../../report/format.js";
import { roles } from "../../report/palette.js";
import type { RunLog } from "../run-log.js";
import { shown } from "./line-option.js";
import { dark, shade } from "./theme.js";

/** Share of each layer's mask that moved in each epoch of the search: a cell a layer and epoch. */
export interface Heat {
  readonly layers: readonly string[];
  readonly epochs: readonly number[];
  readonly cells: readonly (readonly [epoch: number, layer: number, value: number])[];
  readonly most: number;
  /** 1: every epoch is shown; 2: every second one. */
  readonly stride: number;
}

/** Columns that a map has at most: more would be narrower than a pixel. */
const MOST_COLUMNS = 240;

/** The heat map of a log, of every second, third, ... epoch where there are many; undefined where its search tells no distances. */
export function heatOf(log: RunLog): Heat | undefined {
  const told = log.stages.flatMap(({ epochLog }) => epochLog).filter((epoch) => epoch.maskDistance !== undefined);
  const stride = Math.ceil(told.length / MOST_COLUMNS);
  // The newest one is among them.
  const epochs = told.filter((_, i) => (told.length - 1 - i) % stride === 0);
  const layers = [...new Set(epochs.flatMap(({ maskDistance }) => Object.keys(maskDistance?.layers ?? {})))];
  if (layers.length === 0) return undefined;
  const cells = epochs.flatMap(({ maskDistance }, x) =>
    layers.flatMap((layer, y) => {
      const value = maskDistance?.layers[layer];
      return typeof value === "number" ? [[x, y, value] as const] : [];
    }),
  );
  const most = cells.reduce((a, [, , value]) => Math.max(a, value), 0);
  return { layers, epochs: epochs.map(({ epoch }) => epoch + 1), cells, most, stride };
}

/** Shades of one hue, dark where much moved (light on dark pages): read without seeing colours. */
const ramp = () => (dark.value ? ["#1d2733", "#2f6f9f", "#d7efff"] : ["#f3f7fa", "#5aa2d0", "#08304f"]);

export function heatOption({ layers, epochs, cells, most }: Heat): EChartsOption {
  const text = { color: shade(roles.muted), fontSize: 11 };
  const category = { type: "category" as const, axisTick: { show: false }, axisLine: { show: false } };
  return {
    backgroundColor: "transparent",
    grid: { left: 170, right: 76, top: 8, bottom: 40 },
    tooltip: {
      renderMode: "richText",
      backgroundColor: shade(roles.paper),
      borderColor: shade(roles.rule),
      textStyle: { color: shade(roles.ink), fontSize: 12 },
      formatter(params) {
        const [x = 0, y = 0, value] = (params as { value?: number[] }).value ?? [];
        return `${label(layers[y] ?? "", 60)}\nepoch ${epochs[x]}: ${shown(value, true)}`;
      },
    },
    visualMap: {
      ...{ min: 0, max: most > 0 ? most : 1, calculable: false, right: 0, top: "middle", itemHeight: 120 },
      inRange: { color: ramp() },
      text: [shown(most, true), "0 %"],
      textStyle: text,
      formatter: (value) => shown(Number(value), true),
    },
    xAxis: {
      ...category,
      data: epochs.map(String),
      name: "epoch of the search",
      nameLocation: "middle",
      nameGap: 26,
      axisLabel: text,
      nameTextStyle: text,
    },
    yAxis: {
      ...category,
      data: layers.map((name) => label(name.replace(/\.weight$/, ""), 26)),
      inverse: true,
      axisLabel: text,
    },
    series: [{ type: "heatmap", data: cells.map((cell) => [...cell]), animation: false, progressive: 0 }],
  };
}
