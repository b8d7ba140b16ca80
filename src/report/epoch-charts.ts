import { evenly } from "../util/index.js";
import { type Cell, type Chart, figures, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import { type Line, lineChart } from "./charts.js";
import type { EpochData, ReportData, RunData, StageData } from "./data.js";
import { listing, missing } from "./format.js";
import { roles, type Style } from "./palette.js";
import type { ScaleOptions } from "./scale.js";

export type Styles = ReadonlyMap<string, Style>;

/** A number of an epoch that is worth a curve; a least span keeps noise from looking like a trend. */
export interface Measure extends ScaleOptions {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  /** Field of an epoch, or `gradientState.` and a name. */
  readonly field: string;
  /** From the field's unit to that of the chart. */
  readonly times: 1 | 100;
  show(value: number | null): string;
}

const state = "gradientState.";

/** As the log has it. */
function logged(epoch: EpochData, { field }: Measure): number | null {
  if (field.startsWith(state)) return epoch.gradientState[field.slice(state.length)] ?? null;
  const value = epoch[field as keyof EpochData];
  return typeof value === "number" ? value : null;
}

/** In the unit of the chart. */
function measured(epoch: EpochData, measure: Measure): number | null {
  const value = logged(epoch, measure);
  return value === null ? null : value * measure.times;
}

/** A run's epochs in one stage; runs with the very same epochs are one. */
export interface Course {
  readonly name: string;
  readonly style: Style;
  readonly epochs: readonly EpochData[];
}

export function coursesOf(data: ReportData, styles: Styles, stage: string): Course[] {
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

export function chartOf(id: string, courses: readonly Course[], measure: Measure): Chart[] {
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

function measureCell(epoch: EpochData, measure: Measure): Cell {
  const { field, times } = measure;
  const text = measure.show(measured(epoch, measure));
  return figure(text, logged(epoch, measure), epoch.origins[field], times);
}

export function numbersOf(caption: string, courses: readonly Course[], measures: readonly Measure[]): Table {
  const thin = courses.some(({ epochs }) => epochs.length > mostRows);
  const starts = courses.map((_, i) => courses.slice(0, i).reduce((sum, { epochs }) => sum + epochs.length, 0));
  const shown = courses.flatMap(({ epochs }, i) => evenly(epochs.length, mostRows).map((at) => at + (starts[i] ?? 0)));
  return {
    caption,
    ...(thin && { excerpt: { rows: shown, note: `${mostRows} epochs of each, evenly spread` } }),
    columns: [words("Network"), figures("Epoch"), ...measures.map(({ title, unit }) => figures(`${title} (${unit})`))],
    rows: courses.flatMap(({ name, epochs }) =>
      epochs.map((epoch) => [name, String(epoch.epoch + 1), ...measures.map((measure) => measureCell(epoch, measure))]),
    ),
  };
}
