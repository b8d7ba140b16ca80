// What a grid measured along a choice among numbers, such as gamma: curves of means, with every repetition's value as a point.
import type { LineSeriesOption } from "echarts/charts";
import { meanInterval } from "../util/index.js";
import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
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
import { decimal, listing, significant } from "./format.js";
import type { CellNumbers, GridData } from "./grid-data.js";
import { meanText } from "./grid-means.js";
import { type DoneCell, isDone, share } from "./grid-pairs.js";
import { lastState, spread } from "./grid-sharpness.js";
import { roles, rowStyles, type Style } from "./palette.js";
import { niceScale } from "./scale.js";

interface Quantity {
  /** Part of a file's name. */
  readonly id: string;
  readonly title: string;
  /** A share in [0,1], shown in percent, or a number as it is. */
  readonly unit: Unit;
  /** Null where the cell has none. */
  of(cell: DoneCell): number | null;
}

type Unit = "percent" | "number";

const percents = (id: string, title: string, of: (result: CellNumbers) => number | null): Quantity => ({
  ...{ id, title, unit: "percent", of: ({ result }) => of(result) },
});

const QUANTITIES: readonly Quantity[] = [
  percents("robust-after", "Robust accuracy after finetuning, %", ({ after }) => after && share(after.robust)),
  percents("robust-before", "Robust accuracy before finetuning, %", ({ before }) => share(before.robust)),
  percents("clean-after", "Clean accuracy after finetuning, %", ({ after }) => after && share(after.clean)),
  percents("clean-before", "Clean accuracy before finetuning, %", ({ before }) => share(before.clean)),
  percents("mask-distance", "Mask replaced in the last search epoch, % of kept", (r) => r.maskDistances.at(-1) ?? null),
  percents("swapped", "Swapped by the perturbation, % of kept", ({ swapFraction }) => swapFraction),
  {
    ...{ id: "top-eigenvalue", title: "Top eigenvalue after the search", unit: "number" },
    of: (cell) => lastState(cell)?.topEigenvalue?.value ?? null,
  },
  {
    ...{ id: "worst-rise", title: "Worst rise in the ball after the search", unit: "number" },
    of: (cell) => lastState(cell)?.worstRise ?? null,
  },
];

interface Point {
  readonly x: number;
  /** Of each repetition. */
  readonly values: readonly number[];
}

interface Curve {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Sweep {
  /** File name without its extension. */
  readonly id: string;
  readonly title: string;
  /** What is swept, e.g. `gamma`. */
  readonly key: string;
  readonly unit: Unit;
  readonly curves: readonly Curve[];
}

function pointsOf(
  cells: readonly DoneCell[],
  axis: string,
  numbers: Readonly<Record<string, number>>,
  of: Quantity["of"],
) {
  const points = Object.entries(numbers).map(([label, x]): Point => {
    const values = cells.filter(({ at }) => at[axis] === label).map(of);
    return { x, values: values.filter((value) => value !== null) };
  });
  return points.filter(({ values }) => values.length > 0).sort((a, b) => a.x - b.x);
}

/** Every quantity along every choice among numbers, with a curve for each combination of the other choices. */
export function sweepsOf({ cells, sweeps = {}, repeat }: GridData): Sweep[] {
  const done = cells.filter(isDone).filter(({ control }) => control === undefined);
  return Object.entries(sweeps).flatMap(([axis, numbers]) => {
    const others = (cell: DoneCell) =>
      Object.entries(cell.at).flatMap(([key, label]) => (key === axis || key === repeat ? [] : [label]));
    const names = [...new Set(done.map((cell) => others(cell).join(" ")))];
    const key = axis.split(".").at(-1) ?? axis;
    return QUANTITIES.flatMap(({ id, title, unit, of }): Sweep[] => {
      const curves = names.map((name) => {
        const own = done.filter((cell) => others(cell).join(" ") === name);
        return { name: name || key, points: pointsOf(own, axis, numbers, of) };
      });
      const some = curves.filter(({ points }) => points.length > 1);
      return some.length === 0 ? [] : [{ id: `${axis.replaceAll(".", "-")}-${id}`, title, key, unit, curves: some }];
    });
  });
}

const rounded = (value: number, unit: Unit) => Number((unit === "percent" ? 100 * value : value).toPrecision(6));
const meanOf = ({ values }: Point) => meanInterval(values).mean;

/** Numbers of several sizes are spaced by their logarithms. */
function spacing(xs: readonly number[]): (x: number) => number {
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  return least > 0 && most / least >= 8 ? (x) => Math.log10(x) : (x) => x;
}

interface Drawn {
  place(x: number): number;
  readonly unit: Unit;
}

function series({ name, points }: Curve, { place, unit }: Drawn, style: Style): LineSeriesOption[] {
  const color = style.colour.light;
  const shared = { type: "line", emphasis: { disabled: true }, silent: true, color } as const;
  const single = points.flatMap(({ x, values }) =>
    values.length > 1 ? values.map((value) => [place(x), rounded(value, unit)]) : [],
  );
  return [
    {
      ...shared,
      name,
      data: points.map((point) => [place(point.x), rounded(meanOf(point), unit)]),
      ...{ symbol: style.symbol, symbolSize: 8, showSymbol: true, lineStyle: { color, width: 2 } },
      itemStyle: { color, borderColor: roles.paper.light, borderWidth: 1 },
    },
    {
      ...shared,
      data: single,
      ...{ symbol: "circle", symbolSize: 4, showSymbol: true, lineStyle: { color, width: 0 } },
      itemStyle: { color, opacity: 0.6 },
    },
  ];
}

const panelHeight = 250;

/** Means along what is swept, joined, and each repetition as a small point, as SVG. */
export function sweepChart({ id, title, key, unit, curves }: Sweep): string {
  const styles = rowStyles(curves.map(({ name }) => ({ name })));
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(({ x }) => x)))];
  const place = spacing(xs);
  const ticks = new Map(xs.map((x) => [place(x), String(x)]));
  const [low, high] = [Math.min(...ticks.keys()), Math.max(...ticks.keys())];
  const pad = 0.05 * (high - low);
  const values = curves.flatMap(({ points }) =>
    points.flatMap((point) => point.values.map((value) => rounded(value, unit))),
  );
  const scale = niceScale(values, { zero: false });
  const left = Math.max(46, ...[scale.min, scale.max].map((value) => textWidth(scale.show(value)) + 10));
  const names = legend(curves, 22);
  const option: ChartOption = {
    legend: names.option,
    grid: { left, right: 16, top: names.height + 34, bottom: 42, outerBoundsMode: "none" },
    xAxis: {
      ...{ type: "value", min: low - pad, max: high + pad },
      ...bottomName(key),
      splitLine: { show: false },
      axisLine: { show: true, onZero: false, lineStyle: { color: roles.rule.light } },
      axisTick: { show: true, customValues: [...ticks.keys()], lineStyle: { color: roles.rule.light } },
      axisLabel: {
        ...{ color: roles.muted.light, fontSize, customValues: [...ticks.keys()], hideOverlap: true },
        formatter: (at: number) => ticks.get(at) ?? "",
      },
    },
    yAxis: { ...valueAxis(scale), ...topName(title, left) },
    series: curves.flatMap((curve) => series(curve, { place, unit }, styles.get(curve.name) as Style)),
  };
  return renderSvg(id, option, panelHeight + names.height);
}

function chartOf(sweep: Sweep): Chart {
  const told = sweep.curves.map(({ name, points }) => {
    const text = (value: number) => (sweep.unit === "percent" ? decimal(100 * value, 1) : significant(value));
    const at = points.map((point) => `${text(meanOf(point))} at ${point.x}`);
    return `${name} ${listing(at)}`;
  });
  const alt = `${sweep.title} by ${sweep.key}: ${told.join("; ")}.`;
  return { id: sweep.id, title: sweep.title, alt, draw: () => sweepChart(sweep), file: `${sweep.id}.svg` };
}

function numbersOf(sweeps: readonly Sweep[]): Table {
  const rows = sweeps.flatMap(({ title, key, unit, curves }) =>
    curves.flatMap(({ name, points }) =>
      points.map(({ x, values }) => [
        title,
        name,
        `${key} ${x}`,
        unit === "percent" ? meanText(values) : spread(values),
      ]),
    ),
  );
  const columns = [...["Measured", "Cells", "At"].map(words), figures("Mean (95 % t interval): each repetition")];
  return { caption: "Along the choices among numbers", columns, rows };
}

const isUneven = ({ curves }: Sweep) =>
  curves.some(({ points }) => new Set(points.map(({ values }) => values.length)).size > 1);

/** Curves along the choices among numbers; none where there are no such choices. */
export function sweepSection(grid: GridData): Section[] {
  const sweeps = sweepsOf(grid);
  if (sweeps.length === 0) return [];
  const block: Block = { kind: "charts", charts: sweeps.map(chartOf), numbers: numbersOf(sweeps) };
  const text =
    `Points of one curve have different numbers of repetitions, in the order of ${grid.repeat}: hold a single value ` +
    "against the first of several, not against their mean.";
  const notes: Block[] = sweeps.some(isUneven) ? [{ kind: "text", text }] : [];
  return [{ id: "sweeps", title: "Along numbers", blocks: [...notes, block] }];
}
