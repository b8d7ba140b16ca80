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
import { decimal, listing, missing, significant } from "./format.js";
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
  /** Labels of the choice that stand for no number, such as `plain`: what the curve is held against. */
  readonly bases: readonly Base[];
}

interface Base {
  readonly name: string;
  /** Of each repetition. */
  readonly values: readonly number[];
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

/** A curve of cells that differ in the swept choice and in repetition alone. */
function curveOf(
  name: string,
  cells: readonly DoneCell[],
  { axis, numbers, of }: { readonly axis: string; readonly numbers: Numbers; readonly of: Quantity["of"] },
): Curve {
  const valuesAt = (label: string) => cells.filter(({ at }) => at[axis] === label).flatMap((cell) => of(cell) ?? []);
  const points = Object.entries(numbers).map(([label, x]): Point => ({ x, values: valuesAt(label) }));
  const labels = [...new Set(cells.flatMap(({ at }) => at[axis] ?? []))].filter((label) => !(label in numbers));
  const bases = labels.map(
    (label): Base => ({ name: [label, name].filter(Boolean).join(", "), values: valuesAt(label) }),
  );
  return {
    name: name || keyOf(axis),
    points: points.filter(({ values }) => values.length > 0).sort((a, b) => a.x - b.x),
    bases: bases.filter(({ values }) => values.length > 0),
  };
}

type Numbers = Readonly<Record<string, number>>;

const keyOf = (axis: string) => axis.split(".").at(-1) ?? axis;

/** A label with its choice, where it does not speak for itself: `sparsity 90`, `awp_on`. */
const spoken = (axis: string, label: string) => (/^[A-Za-z]/.test(label) ? label : `${keyOf(axis)} ${label}`);

/** Every quantity along every choice among numbers, with a curve for each combination of the other choices. */
export function sweepsOf({ cells, sweeps = {}, repeat }: GridData): Sweep[] {
  const done = cells.filter(isDone).filter(({ control }) => control === undefined);
  return Object.entries(sweeps).flatMap(([axis, numbers]) => {
    const others = ({ at }: DoneCell) => Object.entries(at).filter(([key]) => key !== axis && key !== repeat);
    const nameOf = (cell: DoneCell) =>
      others(cell)
        .flatMap(([key, label]) => (label ? [spoken(key, label)] : []))
        .join(" ");
    const names = [...new Set(done.map(nameOf))];
    const key = keyOf(axis);
    return QUANTITIES.flatMap(({ id, title, unit, of }): Sweep[] => {
      const curves = names.map((name) => {
        const own = done.filter((cell) => nameOf(cell) === name);
        return curveOf(name, own, { axis, numbers, of });
      });
      const some = curves.filter(({ points }) => points.length > 1);
      return some.length === 0 ? [] : [{ id: `${axis.replaceAll(".", "-")}-${id}`, title, key, unit, curves: some }];
    });
  });
}

const rounded = (value: number, unit: Unit) => Number((unit === "percent" ? 100 * value : value).toPrecision(6));
const meanOf = ({ values }: Pick<Point, "values">) => meanInterval(values).mean;

/** Mean and ends of the 95 % t interval as they are drawn; none of one repetition. A share stays in [0,1]. */
function drawnInterval(values: readonly number[], unit: Unit): [low: number, high: number] | undefined {
  const { interval } = meanInterval(values);
  if (interval === undefined) return undefined;
  const [low, high] = unit === "percent" ? interval.map((end) => Math.min(1, Math.max(0, end))) : interval;
  return [rounded(low as number, unit), rounded(high as number, unit)];
}

/** Numbers of several sizes are spaced by their logarithms. */
function spacing(xs: readonly number[]): (x: number) => number {
  const [least, most] = [Math.min(...xs), Math.max(...xs)];
  return least > 0 && most / least >= 8 ? (x) => Math.log10(x) : (x) => x;
}

interface Drawn {
  place(x: number): number;
  readonly unit: Unit;
  /** Ends of the horizontal axis. */
  readonly ends: readonly [low: number, high: number];
}

const quiet = { type: "line", emphasis: { disabled: true }, silent: true } as const;

/** Intervals of means, as bars with a cap at either end. */
function bars({ points }: Curve, { place, unit }: Drawn, color: string): LineSeriesOption[] {
  return points.flatMap(({ x, values }): LineSeriesOption[] => {
    const ends = drawnInterval(values, unit);
    if (ends === undefined) return [];
    return [
      {
        ...{ ...quiet, color, data: ends.map((end) => [place(x), end]), lineStyle: { color, width: 1.5 } },
        ...{ symbol: "rect", symbolSize: [9, 1.5], showSymbol: true, itemStyle: { color } },
      },
    ];
  });
}

/** What a curve is held against: its mean as a broken line from end to end, its interval as a band. */
function baseLine({ name, values }: Base, { unit, ends }: Drawn, color: string): LineSeriesOption[] {
  const level = (value: number) => ends.map((x) => [x, value]);
  const shared = { ...quiet, color, symbol: "none" } as const;
  const line = { color, width: 2, type: [6, 4] };
  const mean: LineSeriesOption = { ...shared, name, data: level(rounded(meanOf({ values }), unit)), lineStyle: line };
  const interval = drawnInterval(values, unit);
  if (interval === undefined) return [mean];
  const [low, high] = interval;
  const band = { origin: low, color, opacity: 0.12 };
  return [{ ...shared, data: level(high), lineStyle: { color, width: 0 }, areaStyle: band }, mean];
}

function series({ name, points }: Curve, { place, unit }: Drawn, style: Style): LineSeriesOption[] {
  const color = style.colour.light;
  const shared = { ...quiet, color };
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

/** All that the vertical axis must reach. */
const heights = (curves: readonly Curve[], unit: Unit) =>
  curves.flatMap(({ points, bases }) =>
    [...points, ...bases].flatMap(({ values }) => [
      ...values.map((value) => rounded(value, unit)),
      ...(drawnInterval(values, unit) ?? []),
    ]),
  );

/**
 * Means along what is swept, joined, with their 95 % t intervals, and each repetition as a small point; what has no number as
 * a broken line with its band. As SVG.
 */
export function sweepChart({ id, title, key, unit, curves }: Sweep): string {
  const styles = rowStyles(curves.flatMap((curve) => [curve, ...curve.bases]).map(({ name }) => ({ name })));
  const styleOf = ({ name }: Curve | Base) => styles.get(name) as Style;
  const xs = [...new Set(curves.flatMap(({ points }) => points.map(({ x }) => x)))];
  const place = spacing(xs);
  const ticks = new Map(xs.map((x) => [place(x), String(x)]));
  const [low, high] = [Math.min(...ticks.keys()), Math.max(...ticks.keys())];
  const pad = 0.05 * (high - low);
  const scale = niceScale(heights(curves, unit), { zero: false });
  const drawn: Drawn = { place, unit, ends: [low - pad, high + pad] };
  const left = Math.max(46, ...[scale.min, scale.max].map((value) => textWidth(scale.show(value)) + 10));
  const entries = curves.flatMap(({ name, bases }) => [{ name }, ...bases.map((base) => ({ name: base.name }))]);
  const names = legend(entries, 22);
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
    // Bands lie beneath, means on top.
    series: [
      ...curves.flatMap(({ bases }) => bases.flatMap((base) => baseLine(base, drawn, styleOf(base).colour.light))),
      ...curves.flatMap((curve) => bars(curve, drawn, styleOf(curve).colour.light)),
      ...curves.flatMap((curve) => series(curve, drawn, styleOf(curve))),
    ],
  };
  return renderSvg(id, option, panelHeight + names.height);
}

function chartOf(sweep: Sweep): Chart {
  const told = sweep.curves.map(({ name, points, bases }) => {
    const text = (value: number) => (sweep.unit === "percent" ? decimal(100 * value, 1) : significant(value));
    const at = points.map((point) => `${text(meanOf(point))} at ${point.x}`);
    const against = bases.map((base) => `, against ${text(meanOf(base))} of ${base.name}`);
    return `${name}: ${listing(at)}${against.join("")}`;
  });
  const alt = `${sweep.title} by ${sweep.key}: ${told.join("; ")}.`;
  return { id: sweep.id, title: sweep.title, alt, draw: () => sweepChart(sweep), file: `${sweep.id}.svg` };
}

function numbersOf(sweeps: readonly Sweep[]): Table {
  const rows = sweeps.flatMap(({ title, key, unit, curves }) =>
    curves.flatMap(({ name, points, bases }) =>
      [
        ...bases.map((base) => ({ ...base, at: missing })),
        ...points.map(({ x, values }) => ({ name, values, at: `${key} ${x}` })),
      ].map(({ name, values, at }) => [title, name, at, unit === "percent" ? meanText(values) : spread(values)]),
    ),
  );
  const columns = [...["Measured", "Cells", "At"].map(words), figures("Mean (95 % t interval): each repetition")];
  return { caption: "Along the choices among numbers", columns, rows };
}

const isUneven = ({ curves }: Sweep) =>
  curves.some(({ points }) => new Set(points.map(({ values }) => values.length)).size > 1);

/** The curves as pictures. */
export const sweepCharts = (grid: GridData): Chart[] => sweepsOf(grid).map(chartOf);

/** Curves along the choices among numbers; none where there are no such choices. */
export function sweepSection(grid: GridData): Section[] {
  const sweeps = sweepsOf(grid);
  if (sweeps.length === 0) return [];
  const block: Block = { kind: "charts", charts: sweeps.map(chartOf), numbers: numbersOf(sweeps) };
  const text =
    `Points of one curve have different numbers of repetitions, in the order of ${grid.repeat}: hold a single value ` +
    "against the first of several, not against their mean.";
  const how =
    `Bars and bands are 95 % t intervals of the mean over ${grid.repeat}; a single repetition has none. A broken line is what has no ` +
    "number, for the curve to be held against.";
  const notes = [how, ...(sweeps.some(isUneven) ? [text] : [])].map((told): Block => ({ kind: "text", text: told }));
  return [{ id: "sweeps", title: "Along numbers", blocks: [...notes, block] }];
}
