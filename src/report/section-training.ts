import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { barChart, type Line, lineChart } from "./charts.js";
import type { EpochData, ReportData, RunData, StageData } from "./data.js";
import { decimal, listing, missing, percent, significant, stageOrder, stageTitle } from "./format.js";
import { roles, type Style } from "./palette.js";
import type { ScaleOptions } from "./scale.js";

type Styles = ReadonlyMap<string, Style>;

/** A number of an epoch that is worth a curve; a least span keeps noise from looking like a trend. */
interface Measure extends ScaleOptions {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** In the unit of the chart. */
  value(epoch: EpochData): number | null;
  show(value: number | null): string;
}

const hundredfold = (value: number | null): number | null => (value === null ? null : value * 100);

const trainingMeasures: readonly Measure[] = [
  {
    id: "loss",
    title: "Loss",
    unit: "mean training loss",
    zero: false,
    value: (e) => e.loss,
    show: (v) => decimal(v, 3),
  },
  {
    id: "robust",
    title: "Robust accuracy",
    unit: "% of selection images",
    zero: false,
    minSpan: 20,
    within: [0, 100],
    value: (e) => hundredfold(e.robustAccuracy),
    show: (v) => decimal(v, 1),
  },
  {
    id: "clean",
    title: "Clean accuracy",
    unit: "% of selection images",
    zero: false,
    minSpan: 20,
    within: [0, 100],
    value: (e) => hundredfold(e.cleanAccuracy),
    show: (v) => decimal(v, 1),
  },
];

const maskMeasures: readonly Measure[] = [
  {
    id: "distance",
    title: "Mask distance",
    unit: "% of kept weights replaced",
    zero: true,
    value: (e) => hundredfold(e.maskDistance),
    show: (v) => decimal(v, 2),
  },
  {
    id: "swap",
    title: "Swap fraction",
    unit: "% of kept weights swapped out by z",
    zero: true,
    value: (e) => hundredfold(e.swapFraction),
    show: (v) => decimal(v, 2),
  },
  {
    id: "gap",
    title: "Sharpness gap",
    unit: "L(s + z) − L(s)",
    zero: true,
    value: (e) => e.sharpnessGap,
    show: (v) => significant(v),
  },
];

/** A run's epochs in one stage; runs with the very same epochs are one. */
interface Course {
  readonly name: string;
  readonly style: Style;
  readonly epochs: readonly EpochData[];
}

function coursesOf(data: ReportData, styles: Styles, stage: string): Course[] {
  const groups = new Map<string, { names: string[]; run: RunData; found: StageData }>();
  for (const run of data.runs) {
    const found = run.stages.find((entry) => entry.stage === stage);
    if (found === undefined || found.epochs.length === 0) continue;
    const key = JSON.stringify(found.epochs.map(({ seconds: _, ...rest }) => rest));
    const group = groups.get(key) ?? { names: [], run, found };
    group.names.push(run.name);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ names, run, found }) => ({
    name: listing(names),
    style: styles.get(run.name) ?? { colour: roles.muted, symbol: "circle" },
    epochs: found.epochs,
  }));
}

function chartOf(id: string, courses: readonly Course[], measure: Measure): Chart[] {
  const lines = courses
    .map(
      ({ name, style, epochs }): Line => ({ name, style, points: epochs.map((e) => [e.epoch + 1, measure.value(e)]) }),
    )
    .filter((line) => line.points.some(([, value]) => value !== null));
  if (lines.length === 0) return [];
  const chartId = `${id}-${measure.id}`;
  const told = lines.map((line) => `${line.name} ${course(line, measure)}`);
  return [
    {
      id: chartId,
      title: measure.title,
      alt: `${measure.title} over epochs (${measure.unit}): ${told.join("; ")}.`,
      draw: () => lineChart(chartId, lines, measure),
    },
  ];
}

/** `from 2.31 in epoch 1 to 1.62 in epoch 12`. */
function course({ points }: Line, measure: Measure): string {
  const known = points.filter(([, value]) => value !== null);
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return missing;
  if (first === last) return `${measure.show(first[1])} in epoch ${first[0]}`;
  return `from ${measure.show(first[1])} in epoch ${first[0]} to ${measure.show(last[1])} in epoch ${last[0]}`;
}

const mostRows = 12;

/** Evenly spread, with the first and the last. */
function thinned<T>(items: readonly T[]): readonly T[] {
  if (items.length <= mostRows) return items;
  const at = Array.from({ length: mostRows }, (_, index) => Math.round((index * (items.length - 1)) / (mostRows - 1)));
  return at.map((index) => items[index] as T);
}

function numbersOf(caption: string, courses: readonly Course[], measures: readonly Measure[]): Table {
  const thin = courses.some(({ epochs }) => epochs.length > mostRows);
  return {
    caption: thin ? `${caption} (${mostRows} epochs of each, evenly spread)` : caption,
    columns: [words("Network"), figures("Epoch"), ...measures.map(({ title, unit }) => figures(`${title} (${unit})`))],
    rows: courses.flatMap(({ name, epochs }) =>
      thinned(epochs).map((epoch) => [
        name,
        String(epoch.epoch + 1),
        ...measures.map((measure) => measure.show(measure.value(epoch))),
      ]),
    ),
  };
}

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

/** How the mask moved during the search. */
export function maskSection(data: ReportData, styles: Styles): Section {
  const title = "The mask during the search";
  const courses = coursesOf(data, styles, "search");
  const charts = maskMeasures.flatMap((measure) => chartOf("mask", courses, measure));
  if (charts.length === 0) {
    return { id: "mask", title, blocks: [{ kind: "text", text: "No mask search has been recorded." }] };
  }
  const present = maskMeasures.filter((measure) => charts.some((chart) => chart.id === `mask-${measure.id}`));
  const numbers = numbersOf("The mask, epoch by epoch", courses, present);
  const text =
    "How many of the kept weights each epoch replaced; how many the perturbation z swaps out, and how much the loss " +
    "rises where it does. A search without S2AP has no z, nor has S2AP in its warm-up epochs.";
  return {
    id: "mask",
    title,
    blocks: [
      { kind: "text", text },
      { kind: "charts", charts, numbers },
    ],
  };
}

/** Measured sparsity of every layer of every pruned network. */
export function layersSection(data: ReportData, styles: Styles): Section {
  const title = "Sparsity per layer";
  const found = data.runs
    .filter((run) => Object.keys(run.layerSparsity).length > 0)
    .map((run) => ({ name: run.name, layers: run.layerSparsity }));
  if (found.length === 0) {
    return { id: "layers", title, blocks: [{ kind: "text", text: "No run has recorded the sparsity of its layers." }] };
  }
  const charts = found.map(({ name, layers }, index): Chart => {
    const id = `layers-${index + 1}`;
    const values = Object.entries(layers);
    const bars = values.map(([layer, value]) => ({ name: layerName(layer), value: value * 100 }));
    const [low, high] = [Math.min(...values.map(([, v]) => v)), Math.max(...values.map(([, v]) => v))];
    const colour = styles.get(name)?.colour ?? roles.muted;
    return {
      id,
      title: name,
      alt: `Sparsity of the ${values.length} prunable layers of ${name}: from ${percent(low)} % to ${percent(high)} %.`,
      draw: () => barChart(id, bars, { unit: "% of weights removed", colour }),
    };
  });
  return { id: "layers", title, blocks: [{ kind: "charts", charts, numbers: layerTable(found) }] };
}

const layerName = (layer: string): string => layer.replace(/\.weight$/, "");

function layerTable(found: readonly { name: string; layers: Readonly<Record<string, number>> }[]): Table {
  const layers = [...new Set(found.flatMap((entry) => Object.keys(entry.layers)))];
  return {
    caption: "Sparsity of every prunable layer, % of its weights removed",
    columns: [words("Layer"), ...found.map(({ name }) => figures(name))],
    rows: layers.map((layer) => [layerName(layer), ...found.map((entry) => percent(entry.layers[layer], 2))]),
  };
}
