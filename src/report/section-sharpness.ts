import { type Block, type Cell, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import { type Line, lineChart } from "./charts.js";
import type { ReportData, RunData, SharpnessData, SharpnessState } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { count, missing, significant } from "./format.js";
import { roles } from "./palette.js";
import { layerName } from "./section-layers.js";
import { tieBlocks } from "./ties.js";

type Measured = RunData & { readonly sharpness: SharpnessData };
type Field = "loss" | "top" | "trace" | "worst" | "average" | "flip";

interface Quantity {
  readonly field: Field;
  readonly title: string;
  readonly unit: string;
  /** Half the length of what is drawn beside a value: an error bound, or two standard errors. */
  spread(state: SharpnessState): number | null;
}

const none = () => null;
const twice = (value: number | null) => (value === null ? null : 2 * value);
const quantities: readonly Quantity[] = [
  { field: "top", title: "Largest eigenvalue", unit: "of the loss's Hessian in the scores", spread: (s) => s.bound },
  { field: "trace", title: "Trace", unit: "of the Hessian, ± 2 standard errors", spread: (s) => twice(s.traceError) },
  { field: "worst", title: "Worst loss in the ball", unit: "rise over the loss at the scores", spread: none },
  {
    field: "average",
    title: "Average direction",
    unit: "rise of the loss, ± 2 standard errors",
    spread: (s) => twice(s.averageError),
  },
  { field: "flip", title: "Weights at the threshold swapped", unit: "rise of the loss", spread: none },
];

function chartOf(quantity: Quantity, runs: readonly Measured[], styles: Styles): Chart[] {
  const { field, title, unit, spread } = quantity;
  const lines = runs.flatMap((run): Line[] => {
    const known = run.sharpness.states.filter((state) => state[field] !== null);
    if (known.length === 0) return [];
    const style = styles.get(run.name) ?? ({ colour: roles.muted, symbol: "circle" } as const);
    const ranges = known.map((state) => {
      const [value, half] = [state[field] as number, spread(state)];
      return half === null ? null : ([value - half, value + half] as const);
    });
    return [{ name: run.name, style, points: known.map((state) => [state.epoch, state[field]]), ranges }];
  });
  if (lines.length === 0) return [];
  const id = `sharpness-${field}`;
  const told = lines.map(({ name, points }) => {
    return `${name} ${points.map(([epoch, value]) => `${significant(value)} after ${epoch}`).join(", ")}`;
  });
  return [
    {
      id,
      title,
      alt: `${title} (${unit}) after so many epochs: ${told.join("; ")}.`,
      draw: () => lineChart(id, lines, { unit, zero: true, first: 0 }),
    },
  ];
}

function numbers(runs: readonly Measured[]): Table {
  const cell = ({ origins, ...state }: SharpnessState, field: keyof SharpnessState & string): Cell => {
    const value = state[field as Field];
    return figure(significant(value), value, origins[field]);
  };
  const fields = ["loss", "top", "bound", "trace", "traceError", "worst", "average", "averageError", "flip"] as const;
  return {
    caption: "Sharpness of the loss over scores",
    columns: [
      words("Network"),
      figures("Epochs done"),
      figures("Loss"),
      figures("Largest eigenvalue"),
      figures("Its error, at most"),
      figures("Trace"),
      figures("Its standard error"),
      figures("Rise, worst in the ball"),
      figures("Rise, average direction"),
      figures("Its standard error"),
      figures("Rise, weights swapped"),
    ],
    rows: runs.flatMap(({ name, sharpness }) =>
      sharpness.states.map((state) => [name, String(state.epoch), ...fields.map((field) => cell(state, field))]),
    ),
  };
}

const lastStates = (runs: readonly Measured[]) =>
  runs.flatMap(({ name, sharpness }) => {
    const state = sharpness.states.at(-1);
    return state === undefined ? [] : [{ name, state }];
  });

/** The last state of each run, layer by layer. */
function layerTable(runs: readonly Measured[]): Block[] {
  const last = lastStates(runs).filter(({ state }) => Object.keys(state.layers).length > 0);
  if (last.length === 0) return [];
  const layers = [...new Set(last.flatMap(({ state }) => Object.keys(state.layers)))];
  const table: Table = {
    caption: "Largest eigenvalue of every layer by itself, at the last state",
    columns: [words("Layer"), ...last.map(({ name }) => figures(name))],
    rows: layers.map((layer) => [
      layerName(layer),
      ...last.map(({ state: { layers: own, origins } }) => {
        return figure(significant(own[layer]), own[layer], origins[`layers.${layer}`]);
      }),
    ]),
  };
  return [{ kind: "charts", charts: [], numbers: table }];
}

/** Tie maps of the last states. */
const tied = (runs: readonly Measured[]) =>
  lastStates(runs).flatMap(({ name, state: { ties, origins } }) =>
    ties && ties.deltas.length > 0 ? [{ name, ties, origins }] : [],
  );

/** `of pgd-at`: those of a loss, or of an attack. */
const made = (attack: string | null) => (attack?.startsWith("of ") ? attack : `of ${attack ?? missing}`);

/** How each run was measured; runs that were measured alike share a sentence. */
function conditions(runs: readonly Measured[]): string {
  const told = new Map<string, string[]>();
  for (const { name, sharpness } of runs) {
    const { images, split, attack, objective, norm, eps, gamma, dtype } = sharpness.settings;
    const text =
      `${objective ?? "loss"} on ${count(images)} ${split ?? ""} images with the adversarial examples ${made(attack)} (${norm ?? missing}, eps ${eps ?? missing}), ` +
      `the ball's gamma ${gamma ?? missing}, ${dtype ?? missing}`;
    told.set(text, [...(told.get(text) ?? []), name]);
  }
  const each = [...told].map(([text, names]) => (told.size === 1 ? text : `${names.join(", ")}: ${text}`));
  return `Measured by s2ap sharpness: ${each.join("; ")}. Small and negative rises are within the noise of few directions.`;
}

/** Eigenvalues and rises of the loss around states of the search. */
export function sharpnessSection(data: ReportData, styles: Styles): Section {
  const runs = data.runs.filter((run): run is Measured => (run.sharpness?.states.length ?? 0) > 0);
  const title = "Sharpness of the loss over scores";
  if (runs.length === 0) return { id: "sharpness", title, blocks: [] };
  const charts = quantities.flatMap((quantity) => chartOf(quantity, runs, styles));
  return {
    id: "sharpness",
    title,
    blocks: [
      { kind: "text", text: conditions(runs) },
      { kind: "charts", charts, numbers: numbers(runs) },
      ...layerTable(runs),
      ...tieBlocks(tied(runs), styles),
    ],
  };
}
