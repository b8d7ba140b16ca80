import { type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { share } from "./cells.js";
import { barChart } from "./charts.js";
import type { ReportData } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { percent } from "./format.js";
import type { Origins } from "./origin.js";
import { roles } from "./palette.js";

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

export const layerName = (layer: string): string => layer.replace(/\.weight$/, "");

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
