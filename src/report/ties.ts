import { type Block, type Cell, type Chart, figures, type Table, words } from "./blocks.js";
import { share } from "./cells.js";
import type { TieShares } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { percent } from "./format.js";
import type { Origins } from "./origin.js";
import { roles, type Style } from "./palette.js";
import { layerName } from "./section-layers.js";
import { layerDotChart, tieChart } from "./tie-charts.js";

/** The tie map of a run's last state. */
interface Tied {
  readonly name: string;
  readonly ties: TieShares;
  readonly origins: Origins;
}

/** Which distance the picture of the layers is drawn at, as on the live page; where it is not measured, the largest. */
const DELTA = 0.01;
const distance = "root mean squares from the threshold";

function charts(last: readonly Tied[], layers: readonly string[], styles: Styles): Chart[] {
  const of = (name: string): Style => styles.get(name) ?? { colour: roles.muted, symbol: "circle" };
  const lines = last.map(({ name, ties: { deltas, within } }) => ({
    ...{ name, style: of(name) },
    points: deltas.flatMap((delta, i) => (within[i] === undefined ? [] : [[delta, 100 * within[i]] as const])),
  }));
  const told = lines.map(({ name, points }) => {
    return `${name} ${points.map(([delta, value]) => `${percent(value / 100, 2)} % within ${delta}`).join(", ")}`;
  });
  const shared = last.map(({ ties }) => ties.deltas).filter((deltas) => deltas.includes(DELTA)).length === last.length;
  const delta = shared ? DELTA : Math.max(...last.flatMap(({ ties }) => ties.deltas));
  const dots = last.map(({ name, ties }) => ({
    ...{ name, style: of(name) },
    percents: layers.map((layer) => {
      const found = ties.layers[layer]?.[ties.deltas.indexOf(delta)];
      return found === undefined ? null : 100 * found;
    }),
  }));
  const ends = dots.map(({ name, percents }) => {
    const known = percents.filter((value) => value !== null);
    return `${name} from ${percent(Math.min(...known) / 100, 2)} % to ${percent(Math.max(...known) / 100, 2)} %`;
  });
  const id = "sharpness-ties";
  return [
    {
      ...{ id, title: "Scores near the threshold" },
      alt: `Share of all scores near the threshold of their layer: ${told.join("; ")} root mean squares.`,
      draw: () => tieChart(id, lines, { x: distance, unit: "% of all scores" }),
    },
    {
      ...{ id: `${id}-layers`, title: `Layer by layer, within ${delta}` },
      alt: `Share of every layer's scores within ${delta} root mean squares of its threshold: ${ends.join("; ")}.`,
      draw: () => layerDotChart(`${id}-layers`, layers.map(layerName), dots, { unit: `% of scores within ${delta}` }),
    },
  ];
}

/** The tie map: how much of the last mask a perturbation of some relative size can change, in all and layer by layer. */
export function tieBlocks(last: readonly Tied[], styles: Styles): Block[] {
  if (last.length === 0) return [];
  const layers = [...new Set(last.flatMap(({ ties }) => Object.keys(ties.layers)))];
  const row = (layer?: string): Cell[] =>
    last.flatMap(({ ties: { deltas, within, layers: own }, origins }) =>
      deltas.map((_, i) => {
        const found = layer === undefined ? within[i] : own[layer]?.[i];
        return share(found, origins[layer === undefined ? `ties/${i}` : `ties/${i}/${layer}`], 2);
      }),
    );
  const numbers: Table = {
    caption: "Scores near the threshold, % within so many root mean squares of it, at the last state",
    columns: [
      words("Layer"),
      ...last.flatMap(({ name, ties }) => ties.deltas.map((delta) => ({ ...figures(String(delta)), group: name }))),
    ],
    rows: [["all layers", ...row()], ...layers.map((layer) => [layerName(layer), ...row(layer)])],
  };
  return [{ kind: "charts", charts: charts(last, layers, styles), numbers }];
}
