import { useMemo } from "preact/hooks";
import { percent } from "../../report/format.js";
import type { RunDetail } from "../api.js";
import { Chart } from "./chart.js";
import { heatOf, heatOption } from "./heat-option.js";
import { num, TableHead } from "./table-head.js";
import { dark } from "./theme.js";

/** Layers of the mask: kept share, and how much of each moved in each epoch of the search. */
export function LayersSection({ detail }: { readonly detail: RunDetail }) {
  const isDark = dark.value;
  const heat = useMemo(() => heatOf(detail.log), [detail]);
  const option = useMemo(() => (heat === undefined ? undefined : heatOption(heat)), [heat, isDark]);
  const epochs = detail.log.stages.flatMap(({ epochLog }) => epochLog);
  const sparsity = epochs.findLast((epoch) => epoch.sparsity !== undefined)?.sparsity?.layers ?? {};
  const moved = epochs.findLast((epoch) => epoch.maskDistance !== undefined)?.maskDistance?.layers ?? {};
  const layers = Object.entries(sparsity);
  if (layers.length === 0) return null;
  return (
    <section>
      <h2>Mask by layer</h2>
      {heat !== undefined && option !== undefined ? (
        <Chart
          title="Share of each layer's mask that changed, by epoch of the search"
          summary={`${heat.layers.length} layers, ${heat.epochs.length} epochs${heat.stride > 1 ? ` (one in ${heat.stride})` : ""}; at most ${percent(heat.most)} %. The table below has the newest epoch.`}
          option={option}
          height={Math.max(160, 60 + 16 * heat.layers.length)}
        />
      ) : null}
      <details open={layers.length <= 30}>
        <summary>Layers: {layers.length}</summary>
        <div class="scroll">
          <table class="layers">
            <TableHead columns={["Layer", "Kept", num("Kept %"), num("Changed in the newest epoch %")]} />
            <tbody>
              {layers.map(([name, share]) => (
                <tr key={name}>
                  <th scope="row">{name}</th>
                  <td>
                    <progress value={1 - share} aria-label={`Kept share of ${name}`} />
                  </td>
                  <td class="num">{percent(1 - share, 2)}</td>
                  <td class="num">{percent(moved[name], 2)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}
