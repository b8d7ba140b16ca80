import { type Block, type Cell, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure, share } from "./cells.js";
import { barChart, type Line, lineChart } from "./charts.js";
import type { EpochData, ReportData, RunData, StageData } from "./data.js";
import { decimal, listing, missing, percent, significant, stageOrder, stageTitle } from "./format.js";
import type { Origins } from "./origin.js";
import { roles, type Style } from "./palette.js";
import type { ScaleOptions } from "./scale.js";

type Styles = ReadonlyMap<string, Style>;

/** A number of an epoch that is worth a curve; a least span keeps noise from looking like a trend. */
interface Measure extends ScaleOptions {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Field of an epoch. */
  readonly field: keyof EpochData & string;
  /** From the field's unit to that of the chart. */
  readonly times: 1 | 100;
  show(value: number | null): string;
}

function measured(epoch: EpochData, { field, times }: Measure): number | null {
  const value = epoch[field];
  return typeof value === "number" ? value * times : null;
}

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
    const key = JSON.stringify(found.epochs.map(({ seconds: _, origins: _o, layerOrigins: _l, ...rest }) => rest));
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
      ({ name, style, epochs }): Line => ({
        name,
        style,
        points: epochs.map((e) => [e.epoch + 1, measured(e, measure)]),
      }),
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

/** Positions in a list of this length, evenly spread, with the first and the last. */
function thinned(length: number): number[] {
  const shown = Math.min(mostRows, length);
  return Array.from({ length: shown }, (_, i) => (shown < 2 ? 0 : Math.round((i * (length - 1)) / (shown - 1))));
}

function measureCell(epoch: EpochData, measure: Measure): Cell {
  const { field, times } = measure;
  const text = measure.show(measured(epoch, measure));
  return figure(text, epoch[field] as number | null, epoch.origins[field], times);
}

function numbersOf(caption: string, courses: readonly Course[], measures: readonly Measure[]): Table {
  const thin = courses.some(({ epochs }) => epochs.length > mostRows);
  const starts = courses.map((_, i) => courses.slice(0, i).reduce((sum, { epochs }) => sum + epochs.length, 0));
  const shown = courses.flatMap(({ epochs }, i) => thinned(epochs.length).map((at) => at + (starts[i] ?? 0)));
  return {
    caption,
    ...(thin && { excerpt: { rows: shown, note: `${mostRows} epochs of each, evenly spread` } }),
    columns: [words("Network"), figures("Epoch"), ...measures.map(({ title, unit }) => figures(`${title} (${unit})`))],
    rows: courses.flatMap(({ name, epochs }) =>
      epochs.map((epoch) => [name, String(epoch.epoch + 1), ...measures.map((measure) => measureCell(epoch, measure))]),
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
    .map((run) => ({ name: run.name, layers: run.layerSparsity, origins: run.layerOrigins }));
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

interface Layers {
  readonly name: string;
  readonly layers: Readonly<Record<string, number>>;
  readonly origins: Origins;
}

function layerTable(found: readonly Layers[]): Table {
  const layers = [...new Set(found.flatMap((entry) => Object.keys(entry.layers)))];
  return {
    caption: "Sparsity of every prunable layer, % of its weights removed",
    columns: [words("Layer"), ...found.map(({ name }) => figures(name))],
    rows: layers.map((layer) => [
      layerName(layer),
      ...found.map(({ layers, origins }) => share(layers[layer], origins[layer], 2)),
    ]),
  };
}
