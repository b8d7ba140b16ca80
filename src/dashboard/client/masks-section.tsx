import { percent } from "../../report/format.js";
import type { MaskDifferences, RunDetail } from "../api.js";
import { num, TableHead } from "./table-head.js";
import { useAnswer } from "./use-answer.js";

interface MasksProps {
  readonly rows: readonly { readonly detail: RunDetail; readonly name: string }[];
}

/** How much of the first run's mask the others left out, layer by layer; nothing where no two runs have masks to compare. */
export function MasksSection({ rows }: MasksProps) {
  const { answer } = useAnswer<MaskDifferences>(`/api/masks/${rows.map(({ detail }) => detail.summary.id).join()}`);
  if (answer === undefined || answer.runs.length === 0) return null;
  const { layers, runs } = answer;
  const names = new Map(rows.map(({ detail, name }) => [detail.summary.id, name]));
  return (
    <section>
      <h2>Masks by layer</h2>
      <div class="scroll">
        <table class="layers masks">
          <caption>
            <span>Share of the weights kept by {rows[0]?.name} that the other run left out, %</span>
          </caption>
          <TableHead columns={["Layer", ...runs.map(({ id }) => num(names.get(id) ?? id))]} />
          <tbody>
            <tr>
              <th scope="row">all layers</th>
              {runs.map(({ id, total }) => (
                <td key={id} class="num">
                  {percent(total, 2)}
                </td>
              ))}
            </tr>
            {layers.map((layer, at) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                {runs.map((run) => (
                  <td key={run.id} class="num">
                    {percent(run.layers[at], 2)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
