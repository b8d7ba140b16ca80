import type { CustomSeriesOption, LineSeriesOption } from "echarts/charts";
import { curveAt, type SecurityCurve } from "../evaluation/curve.js";
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
import { roles, rowStyles, type Style } from "./palette.js";
import { niceScale } from "./scale.js";

/** A network's curve and what to call it: say by which attack its distances are. */
export interface NamedCurve {
  readonly name: string;
  readonly curve: SecurityCurve;
}

export interface CurveChartOptions {
  /** Norm of the radii, in words; default none. */
  readonly norm?: string;
  /** Right end of the axis, in pixel scale; default the largest distance. */
  readonly until?: number;
  /** A radius to mark, in pixel scale. */
  readonly mark?: number;
  /** What the mark is, in words; default none. */
  readonly markName?: string;
}

type Corner = readonly [radius: number, percent: number];
const panelHeight = 280;
/** Characters of a name in the legend. */
const LEGEND = 36;
/** As many digits as are drawn, so that the bytes do not depend on the last of a sum. */
const rounded = (value: number) => Number(value.toPrecision(6));

/** The corners of a step function up to the right end: each value holds up to the next point's radius. */
function steps({ points }: SecurityCurve, end: number, value: "robustAccuracy" | "low" | "high"): Corner[] {
  const shown = points.filter(({ radius }) => radius <= end);
  return shown.flatMap((point, i) => {
    const height = rounded(100 * point[value]);
    return [
      [rounded(point.radius), height],
      [rounded(shown[i + 1]?.radius ?? end), height],
    ] as Corner[];
  });
}

/** As long as a legend has room for, with the number of images, which must not be cut off. */
function legendText({ name, curve }: NamedCurve): string {
  const images = ` (n = ${curve.examples})`;
  return label(name, LEGEND - images.length) + images;
}

/** A curve as it is drawn. */
interface Drawn {
  readonly name: string;
  readonly curve: SecurityCurve;
  readonly style: Style;
}

/** Robust accuracy by radius for several networks, each with its 95 % Wilson band, as SVG. */
export function securityCurveChart(id: string, curves: readonly NamedCurve[], options: CurveChartOptions = {}): string {
  const { mark } = options;
  const named = curves.map((each) => ({ name: legendText(each), curve: each.curve }));
  const styles = rowStyles(named.map(({ name }) => ({ name })));
  const drawn: Drawn[] = named.map(({ name, curve }) => ({ name, curve, style: styles.get(name) as Style }));
  const largest = Math.max(mark ?? 0, ...curves.flatMap(({ curve }) => curve.points.map(({ radius }) => radius)));
  const across = niceScale([0, options.until ?? (largest > 0 ? largest : 1)], { zero: true });
  const end = options.until ?? across.max;
  const key = legend(named, 22);
  const left = Math.max(46, textWidth("100") + 10);
  const option: ChartOption = {
    legend: key.option,
    grid: { left, right: 16, top: key.height + 34, bottom: 42, outerBoundsMode: "none" },
    xAxis: {
      ...valueAxis({ ...across, max: end }),
      ...bottomName(`radius${options.norm ? ` in ${options.norm}` : ""}`),
    },
    yAxis: { ...valueAxis({ min: 0, max: 100, interval: 25, show: String }), ...topName("robust accuracy, %", left) },
    series: [
      ...drawn.map(({ curve, style }) => band(curve, end, style)),
      ...(mark === undefined || mark > end ? [] : [markLine(mark, end, options.markName)]),
      ...drawn.map((each) => curveLine(each, end)),
      ...drawn.map((each) => symbols(each, mark === undefined || mark > end ? [0] : [0, mark])),
    ],
  };
  return renderSvg(id, option, panelHeight + key.height);
}

function line(name: string, data: readonly Corner[], color: string, width: number): LineSeriesOption {
  return {
    type: "line",
    name,
    data: data.map((corner) => [...corner]),
    symbol: "none",
    color,
    lineStyle: { color, width, join: "miter" },
    emphasis: { disabled: true },
    silent: true,
  };
}

function curveLine({ name, curve, style }: Drawn, end: number): LineSeriesOption {
  const drawn = line(name, steps(curve, end, "robustAccuracy"), style.colour.light, 2);
  // For the legend, which shows the symbol of the line and not that of the points on it.
  return { ...drawn, symbol: style.symbol, showSymbol: false };
}

/** The curve's symbol at some radii: a reader who sees no colours can tell the curves apart there. */
function symbols({ curve, style }: Drawn, radii: readonly number[]): LineSeriesOption {
  const points = radii.map((at): Corner => [rounded(at), rounded(100 * curveAt(curve, at).robustAccuracy)]);
  return {
    ...line("", points, "none", 0),
    symbol: style.symbol,
    symbolSize: 8,
    showSymbol: true,
    z: 4,
    itemStyle: { color: style.colour.light, borderColor: roles.paper.light, borderWidth: 1 },
  };
}

/** Height of the mark's name, in percent: below the panel's upper edge. */
const NAME_HEIGHT = 95;

/** An upright line at a radius, with its name beside the top end, on the side that has more room. */
function markLine(radius: number, end: number, name = ""): LineSeriesOption {
  const upright = [0, NAME_HEIGHT, 100].map((height): Corner => [radius, height]);
  return {
    ...line("", upright, roles.rule.light, 1.5),
    ...(name !== "" && {
      // Labels belong to symbols: this one is too small to be seen.
      symbol: "circle",
      symbolSize: 0.01,
      showSymbol: true,
      showAllSymbol: true,
      label: {
        show: true,
        position: radius > end / 2 ? "left" : "right",
        distance: 4,
        formatter: ({ dataIndex }) => (dataIndex === 1 ? name : ""),
        color: roles.ink.light,
        fontSize,
      },
    }),
  };
}

/** The area between the interval's ends. */
function band(curve: SecurityCurve, end: number, style: Style): CustomSeriesOption {
  const outline = [...steps(curve, end, "high"), ...steps(curve, end, "low").reverse()];
  return {
    type: "custom",
    silent: true,
    z: 1,
    data: [[0, 0]],
    renderItem: (_, api) => ({
      type: "polygon",
      shape: { points: outline.map((corner) => api.coord([...corner])) },
      style: { fill: style.colour.light, opacity: 0.12 },
    }),
  };
}
