import type { CustomSeriesOption, LineSeriesOption } from "echarts/charts";
import type { SecurityCurve } from "../evaluation/index.js";
import { bottomName, type ChartOption, legend, renderSvg, textWidth, topName, valueAxis } from "./chart-frame.js";
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
}

type Corner = readonly [radius: number, percent: number];
const panelHeight = 280;
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

/** Robust accuracy by radius for several networks, each with its 95 % Wilson band, as SVG. */
export function securityCurveChart(id: string, curves: readonly NamedCurve[], options: CurveChartOptions = {}): string {
  const named = curves.map(({ name, curve }) => ({ name: `${name} (n = ${curve.examples})`, curve }));
  const styles = rowStyles(named.map(({ name }) => ({ name })));
  const largest = Math.max(...curves.flatMap(({ curve }) => curve.points.map(({ radius }) => radius)));
  const end = options.until ?? (largest > 0 ? largest : 1);
  const key = legend(named, 22);
  const across = niceScale([0, end], { zero: true });
  const left = Math.max(46, textWidth("100") + 10);
  const option: ChartOption = {
    legend: key.option,
    grid: { left, right: 14, top: key.height + 34, bottom: 42, outerBoundsMode: "none" },
    xAxis: {
      ...valueAxis({ ...across, max: end }),
      ...bottomName(`radius${options.norm ? ` in ${options.norm}` : ""}`),
    },
    yAxis: { ...valueAxis({ min: 0, max: 100, interval: 25, show: String }), ...topName("robust accuracy, %", left) },
    series: [
      ...named.map(({ name, curve }) => band(curve, end, styles.get(name) as Style)),
      ...(options.mark === undefined
        ? []
        : [
            line(
              "",
              [
                [options.mark, 0],
                [options.mark, 100],
              ],
              roles.rule.light,
              1,
            ),
          ]),
      ...named.map(({ name, curve }) =>
        line(name, steps(curve, end, "robustAccuracy"), (styles.get(name) as Style).colour.light, 2),
      ),
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
    lineStyle: { color, width },
    emphasis: { disabled: true },
    silent: true,
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
