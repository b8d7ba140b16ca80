import { label } from "../../report/format.js";
import type { SharpnessShown } from "../sharpness-schema.js";
import { Chart } from "./chart.js";
import { type Curve, type LineOptions, lineOption, lineSummary } from "./line-option.js";
import { hues } from "./run-curves.js";
import { dark } from "./theme.js";

type Epoch = SharpnessShown["epochs"][number];
type Shares = readonly (number | null)[];

/** Layers of which the smallest and the largest share is near the threshold, at the middle one of the distances. */
function extremes({ ties }: Epoch): (readonly [layer: string, within: Shares])[] {
  const middle = Math.floor((ties?.deltas.length ?? 0) / 2);
  const of = ([, within]: readonly [string, Shares]) => within[middle] ?? 0;
  const layers = Object.entries(ties?.layers ?? {}).map(([name, { within }]) => [name, within] as const);
  layers.sort((a, b) => of(a) - of(b));
  return layers.length < 2 ? [] : [layers.at(-1), layers[0]].flatMap((each) => (each === undefined ? [] : [each]));
}

/** Lines of the whole first and last measurement, and of the two layers that lie furthest apart in the last. */
function chartOf(epochs: readonly Epoch[]): LineOptions | undefined {
  const told = epochs.filter(({ ties }) => (ties?.deltas.length ?? 0) > 1 && ties?.within !== undefined);
  const [first, last] = [told[0], told.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  const points = ({ ties }: Epoch, within: Shares) =>
    (ties?.deltas ?? []).map((delta, i) => [delta, within[i] ?? null] as const);
  const whole = (epoch: Epoch) => ({
    name: `all, after ${epoch.epoch}`,
    points: points(epoch, epoch.ties?.within ?? []),
  });
  const [most, least] = extremes(last).map(([layer, within]) => ({
    name: `${label(layer, 28)}, after ${last.epoch}`,
    points: points(last, within),
  }));
  const curves: Curve[] = [
    { ...whole(last), colour: hues.robust, symbol: "circle" },
    ...(first === last ? [] : [{ ...whole(first), colour: hues.training, symbol: "rect" } as const]),
    ...(most === undefined ? [] : [{ ...most, colour: hues.other, symbol: "triangle" } as const]),
    ...(least === undefined ? [] : [{ ...least, colour: hues.clean, symbol: "diamond" } as const]),
  ];
  const deltas = last.ties?.deltas ?? [];
  return {
    ...{ curves, xName: "distance, over the layer's root mean square", yName: "% of the scores", percent: true },
    ...{ xRange: [deltas[0] ?? 0, deltas.at(-1) ?? 1], xLog: true },
  };
}

/** The tie map: how many scores a small change could move across the threshold. Nothing where ties were not counted. */
export function TiesChart({ epochs }: { readonly epochs: readonly Epoch[] }) {
  const chart = chartOf(epochs);
  if (chart === undefined) return null;
  return (
    <div class="charts" data-dark={dark.value}>
      <Chart
        title="Scores near the threshold of the mask"
        summary={`At the greatest distance. ${lineSummary(chart)}`}
        option={lineOption(chart)}
        curves={chart.curves}
      />
    </div>
  );
}
