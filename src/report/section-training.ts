import type { Block, Section } from "./blocks.js";
import type { ReportData } from "./data.js";
import { chartOf, coursesOf, type Measure, numbersOf, type Styles } from "./epoch-charts.js";
import { decimal, stageOrder, stageTitle } from "./format.js";

const trainingMeasures: readonly Measure[] = [
  {
    id: "loss",
    title: "Loss",
    unit: "mean training loss",
    zero: false,
    field: "loss",
    times: 1,
    show: (v) => decimal(v, 3),
  },
  {
    id: "robust",
    title: "Robust accuracy",
    unit: "% of selection images",
    zero: false,
    minSpan: 20,
    within: [0, 100],
    field: "robustAccuracy",
    times: 100,
    show: (v) => decimal(v, 1),
  },
  {
    id: "clean",
    title: "Clean accuracy",
    unit: "% of selection images",
    zero: false,
    minSpan: 20,
    within: [0, 100],
    field: "cleanAccuracy",
    times: 100,
    show: (v) => decimal(v, 1),
  },
];

/** Loss and accuracies of every stage. */
export function trainingSection(data: ReportData, styles: Styles): Section {
  const stages = stageOrder(data.runs.flatMap((run) => run.stages.map(({ stage }) => stage)));
  const blocks = stages.flatMap((stage, index): Block[] => {
    const courses = coursesOf(data, styles, stage);
    if (courses.length === 0) return [];
    const charts = trainingMeasures.flatMap((measure) => chartOf(`stage-${index + 1}`, courses, measure));
    const title = stageTitle(stage);
    const numbers = numbersOf(`${title}, epoch by epoch`, courses, trainingMeasures);
    return [
      { kind: "heading", text: title },
      { kind: "charts", charts, numbers },
    ];
  });
  if (blocks.length === 0) blocks.push({ kind: "text", text: "No epoch of any stage has been recorded yet." });
  return { id: "training", title: "Training, stage by stage", blocks };
}
