import { bottomName, type ChartOption, legend, renderSvg, textWidth, topName, valueAxis } from "./chart-frame.js";
import { roles, type Style } from "./palette.js";
import { niceScale } from "./scale.js";

/** A curve over one coordinate. */
export interface Profile {
  readonly name: string;
  readonly style: Style;
  readonly points: readonly (readonly [at: number, value: number | null])[];
}

const panelHeight = 250;
const rounded = (value: number): number => Number(value.toPrecision(6));

/** Values along a line, several curves on one scale; an upright line stands at 0. */
export function profileChart(id: string, profiles: readonly Profile[], names: { x: string; unit: string }): string {
  const values = profiles.flatMap(({ points }) =>
    points.flatMap(([, value]) => (value === null ? [] : rounded(value))),
  );
  const scale = niceScale(values, { zero: false });
  const across = niceScale(
    profiles.flatMap(({ points }) => points.map(([at]) => at)),
    { zero: true },
  );
  const left = Math.max(46, ...[scale.min, scale.max].map((value) => textWidth(scale.show(value)) + 10));
  const key = legend(profiles, 22);
  const upright = [scale.min, scale.max].map((value) => [0, value]);
  const option: ChartOption = {
    legend: key.option,
    grid: { left, right: 14, top: key.height + 34, bottom: 42, outerBoundsMode: "none" },
    xAxis: { ...valueAxis(across), ...bottomName(names.x), splitLine: { show: false } },
    yAxis: { ...valueAxis(scale), ...topName(names.unit, left) },
    series: [
      { type: "line", data: upright, symbol: "none", silent: true, lineStyle: { color: roles.rule.light, width: 1 } },
      ...profiles.map(({ name, style, points }) => ({
        type: "line" as const,
        name,
        data: points.map(
          ([at, value]) => [rounded(at), value === null ? null : rounded(value)] as [number, number | null],
        ),
        symbol: style.symbol,
        symbolSize: 6,
        showSymbol: points.length <= 40,
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
