// Robust accuracy of a grid's cells side by side, where no choice among numbers draws a curve: every repetition as a dot, and how
// sure their mean is as a bar.
import type { CustomSeriesOption } from "echarts/charts";
import { meanInterval, wilson } from "../util/index.js";
import type { Block, Chart, Section } from "./blocks.js";
import { bottomName, type ChartOption, fontSize, renderSvg, textWidth, valueAxis } from "./chart-frame.js";
import { decimal, type Interval, label, percentInterval } from "./format.js";
import type { AccuracyData, GridData } from "./grid-data.js";
import { groupsOf } from "./grid-means.js";
import { share, successes } from "./grid-pairs.js";
import { roles, rowStyles } from "./palette.js";
import { niceScale } from "./scale.js";

interface Row {
  readonly name: string;
  /** Of each repetition, in [0,1]. */
  readonly values: readonly number[];
  readonly interval: Interval;
}

/** The t interval over repetitions; of a single one, Wilson's over its images. */
function rowOf(name: string, found: readonly AccuracyData[]): Row {
  const values = found.map(({ robust }) => share(robust));
  const [{ robust }] = found as [AccuracyData];
  const [low, high] = meanInterval(values).interval ?? wilson(successes(robust), robust.length);
  return { name, values, interval: [Math.max(0, low), Math.min(1, high)] };
}

function rowsOf(grid: GridData, when: "before" | "after"): Row[] {
  const pruned = groupsOf(grid).flatMap(({ labels, cells }): Row[] => {
    const found = cells.flatMap(({ result }) => result[when] ?? []);
    return found.length === 0 ? [] : [rowOf(labels.filter(Boolean).join(" "), found)];
  });
  return grid.dense === null ? pruned : [rowOf("dense", [grid.dense.accuracy]), ...pruned];
}

const rowHeight = 26;
const inPercent = (value: number) => Number((100 * value).toPrecision(6));
const meanOf = ({ values }: Row) => meanInterval(values).mean;

type Api = Parameters<NonNullable<CustomSeriesOption["renderItem"]>>[1];

function drawRow(api: Api, index: number, { values, interval }: Row, colour: string) {
  const at = (value: number): [number, number] => {
    const [x = 0, y = 0] = api.coord([inPercent(value), index]);
    return [Number(x.toPrecision(6)), y];
  };
  const [low, y] = at(interval[0]);
  const [high] = at(interval[1]);
  const [mean] = at(meanInterval(values).mean);
  const line = (x1: number, y1: number, x2: number, y2: number, lineWidth: number) => ({
    type: "line" as const,
    shape: { x1, y1, x2, y2 },
    style: { stroke: colour, lineWidth },
  });
  const ends = [low, high].map((x) => line(x, y - 4, x, y + 4, 1.5));
  const dots = values.map((value) => ({
    type: "circle" as const,
    shape: { cx: at(value)[0], cy: y, r: 3.5 },
    style: { fill: colour, opacity: 0.6 },
  }));
  return {
    type: "group" as const,
    children: [line(low, y, high, y, 1.5), ...ends, line(mean, y - 7, mean, y + 7, 3), ...dots],
  };
}

function draw(id: string, title: string, rows: readonly Row[]): string {
  const styles = rowStyles(rows.map(({ name }) => ({ name, sparsity: name === "dense" ? 0 : null })));
  const names = rows.map(({ name }) => label(name, 26));
  const scale = niceScale(
    rows.flatMap(({ values, interval }) => [...values, ...interval].map(inPercent)),
    { zero: false },
  );
  const option: ChartOption = {
    grid: {
      left: Math.min(190, Math.max(40, ...names.map((name) => textWidth(name) + 12))),
      ...{ right: 16, top: 6, bottom: 42, outerBoundsMode: "none" },
    },
    xAxis: { ...valueAxis(scale), ...bottomName(title) },
    yAxis: {
      ...{ type: "category", inverse: true, data: rows.map((_, index) => String(index)) },
      axisLine: { show: true, onZero: false, lineStyle: { color: roles.rule.light } },
      axisTick: { show: false },
      axisLabel: {
        ...{ color: roles.ink.light, fontSize: fontSize - 1, margin: 8, interval: 0 },
        formatter: (_: string, index: number) => names[index] ?? "",
      },
    },
    series: [
      {
        ...{ type: "custom", silent: true, encode: { x: 1, y: 0 } },
        data: rows.map((row, index) => [index, inPercent(meanOf(row))]),
        renderItem: ({ dataIndex }, api) => {
          const row = rows[dataIndex] as Row;
          return drawRow(api, dataIndex, row, styles.get(row.name)?.colour.light ?? roles.ink.light);
        },
      },
    ],
  };
  return renderSvg(id, option, rows.length * rowHeight + 48);
}

/** Pictures of robust accuracy, after finetuning and before it; none with fewer than two kinds of cells. */
export function dotCharts(grid: GridData): Chart[] {
  return (["after", "before"] as const).flatMap((when): Chart[] => {
    const rows = rowsOf(grid, when);
    if (rows.filter(({ name }) => name !== "dense").length < 2) return [];
    const id = `${grid.name.replace(/[^\w-]/g, "-")}-robust-${when}`;
    const title = `Robust accuracy ${when} finetuning, %`;
    const told = rows.map((row) => `${row.name} ${decimal(100 * meanOf(row), 1)} (${percentInterval(row.interval)})`);
    const alt = `${title}: ${told.join("; ")}.`;
    return [{ id, title, alt, draw: () => draw(id, title, rows), file: `${id}.svg` }];
  });
}

/** Robust accuracy side by side. */
export function dotSection(grid: GridData): Section[] {
  const charts = dotCharts(grid);
  if (charts.length === 0) return [];
  const text =
    `A dot is a ${grid.repeat}, the stroke their mean, the bar its 95 % t interval; of a single ${grid.repeat} the bar is the Wilson ` +
    "interval over the images. Whether two differ is told by the tests below, not by whether bars overlap.";
  const blocks: Block[] = [
    { kind: "text", text },
    { kind: "charts", charts, numbers: null },
  ];
  return [{ id: "side-by-side", title: "Side by side", blocks }];
}
