import type { Block, Section } from "./blocks.js";
import type { ReportData } from "./data.js";
import { type Course, chartOf, coursesOf, type Measure, numbersOf, type Styles } from "./epoch-charts.js";
import { decimal, significant } from "./format.js";
import { maskMatrixBlocks } from "./mask-matrix.js";

const maskMeasures: readonly Measure[] = [
  {
    id: "distance",
    title: "Mask distance",
    unit: "% of kept weights replaced",
    zero: true,
    field: "maskDistance",
    times: 100,
    show: (v) => decimal(v, 2),
  },
  {
    id: "swap",
    title: "Swap fraction",
    unit: "% of kept weights swapped out by z",
    zero: true,
    field: "swapFraction",
    times: 100,
    show: (v) => decimal(v, 2),
  },
  {
    id: "gap",
    title: "Sharpness gap",
    unit: "L(s + z) − L(s)",
    zero: true,
    field: "sharpnessGap",
    times: 1,
    show: (v) => significant(v),
  },
];

const costMeasures: readonly Measure[] = [
  {
    id: "forward",
    title: "Forward passes",
    unit: "times those of a plain step",
    zero: true,
    field: "forwardCost",
    times: 1,
    show: (v) => decimal(v, 3),
  },
  {
    id: "backward",
    title: "Backward passes",
    unit: "times those of a plain step",
    zero: true,
    field: "backwardCost",
    times: 1,
    show: (v) => decimal(v, 3),
  },
];

/** How the mask moved during the search. */
export function maskSection(data: ReportData, styles: Styles): Section {
  const title = "The mask during the search";
  const courses = coursesOf(data, styles, "search");
  const charts = maskMeasures.flatMap((measure) => chartOf("mask", courses, measure));
  if (charts.length === 0) {
    return { id: "mask", title, blocks: [{ kind: "text", text: "No mask search has been recorded." }] };
  }
  const gradient = gradientBlocks(courses);
  const present = maskMeasures.filter((measure) => charts.some((chart) => chart.id === `mask-${measure.id}`));
  const numbers = numbersOf("The mask, epoch by epoch", courses, present);
  const text =
    "How many of the kept weights each epoch replaced; how many the perturbation z swaps out, and how much the loss " +
    "rises where it does. A search without S2AP has no z, nor has S2AP in its warm-up epochs.";
  return {
    id: "mask",
    title,
    blocks: [{ kind: "text", text }, { kind: "charts", charts, numbers }, ...maskMatrixBlocks(data), ...gradient],
  };
}

/** What the gradient over scores cost in each epoch, and what it keeps from step to step, where the log has it. */
function gradientBlocks(courses: readonly Course[]): Block[] {
  const states = courses.flatMap(({ epochs }) => epochs.flatMap((epoch) => Object.keys(epoch.gradientState)));
  const kept = [...new Set(states)].map(
    (name, index): Measure => ({
      ...{ id: `state-${index + 1}`, title: `Gradient's ${name}`, unit: "kept from step to step" },
      ...{ zero: true, field: `gradientState.${name}`, times: 1, show: (v) => significant(v) },
    }),
  );
  const measures = [...costMeasures, ...kept];
  const charts = measures.flatMap((measure) => chartOf("gradient", courses, measure));
  if (charts.length === 0) return [];
  const present = measures.filter((measure) => charts.some((chart) => chart.id === `gradient-${measure.id}`));
  const numbers = numbersOf("What the gradient cost and kept, epoch by epoch", courses, present);
  return [
    { kind: "heading", text: "What the gradient over scores cost" },
    {
      kind: "text",
      text: "Passes of a training step over those of the same step without S2AP or its likes: 1 is a plain step.",
    },
    { kind: "charts", charts, numbers },
  ];
}
