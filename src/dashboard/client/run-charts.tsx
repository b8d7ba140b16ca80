import { useMemo } from "preact/hooks";
import type { RunDetail } from "../api.js";
import { Chart } from "./chart.js";
import { type LineOptions, lineOption, lineSummary } from "./line-option.js";
import { epochPoints, hues, samplePoints, stageMarks } from "./run-curves.js";
import { dark } from "./theme.js";

interface Titled extends LineOptions {
  readonly title: string;
}

/** The charts of a run: those of the search only where it tells something. */
function chartsOf({ log }: RunDetail): Titled[] {
  const marks = stageMarks(log);
  const common = { xName: "epoch, over all stages", marks };
  const search: Titled = {
    ...common,
    title: "Mask in the search",
    yName: "% of the kept weights",
    percent: true,
    curves: [
      {
        name: "replaced since the epoch before",
        colour: hues.robust,
        symbol: "circle",
        points: epochPoints(log, (e) => e.maskDistance?.perKept),
      },
      {
        name: "swapped by the perturbation",
        colour: hues.other,
        symbol: "rect",
        points: epochPoints(log, (e) => e.swapFraction),
      },
    ],
  };
  const gap: Titled = {
    ...common,
    title: "Sharpness gap",
    yName: "loss added by the perturbation",
    curves: [
      { name: "L(s + z) − L(s)", colour: hues.other, symbol: "rect", points: epochPoints(log, (e) => e.sharpnessGap) },
    ],
  };
  const always: Titled[] = [
    {
      ...common,
      title: "Training loss",
      yName: "robust loss",
      curves: [
        { name: "samples", colour: hues.training, points: samplePoints(log, "loss") },
        { name: "mean of the epoch", colour: hues.robust, symbol: "circle", points: epochPoints(log, (e) => e.loss) },
      ],
    },
    {
      ...common,
      title: "Accuracy",
      yName: "%",
      percent: true,
      curves: [
        { name: "robust, training batches", colour: hues.training, points: samplePoints(log, "robustAccuracy") },
        {
          name: "robust, held out",
          colour: hues.robust,
          symbol: "circle",
          points: epochPoints(log, (e) => e.robustAccuracy),
        },
        {
          name: "clean, held out",
          colour: hues.clean,
          symbol: "triangle",
          points: epochPoints(log, (e) => e.cleanAccuracy),
        },
      ],
    },
  ];
  const told = (chart: Titled) => chart.curves.some(({ points }) => points.length > 0);
  const curves = (chart: Titled) => ({ ...chart, curves: chart.curves.filter(({ points }) => points.length > 0) });
  return [...always, ...[search, gap].filter(told)].map(curves);
}

export function RunCharts({ detail }: { readonly detail: RunDetail }) {
  const isDark = dark.value;
  const charts = useMemo(
    () => chartsOf(detail).map((chart) => ({ chart, option: lineOption(chart) })),
    [detail, isDark],
  );
  return (
    <section aria-label="Curves" class="charts">
      {charts.map(({ chart, option }) => (
        <Chart
          key={chart.title}
          title={chart.title}
          summary={lineSummary(chart)}
          option={option}
          curves={chart.curves}
        />
      ))}
    </section>
  );
}
