import { count, missing } from "../../report/format.js";
import type { SharpnessShown } from "../sharpness-schema.js";
import { shown, within } from "./line-option.js";
import { SharpnessLayers } from "./sharpness-layers.js";
import { TiesChart } from "./ties-chart.js";
import { useAnswer } from "./use-answer.js";

type Epoch = SharpnessShown["epochs"][number];

const columns: readonly { readonly name: string; readonly of: (epoch: Epoch) => string }[] = [
  { name: "Loss", of: ({ objectiveLoss }) => shown(objectiveLoss) },
  { name: "Largest eigenvalue", of: ({ eigenvalues }) => within(eigenvalues?.values[0], eigenvalues?.bounds[0]) },
  { name: "Trace", of: ({ trace }) => within(trace?.total.value, trace?.total.standardError) },
  { name: "Worst rise in the ball", of: ({ worst }) => shown(worst?.total.rise) },
  { name: "Average rise", of: ({ average }) => within(average?.total.value, average?.total.standardError) },
  { name: "Rise, nearest swapped", of: ({ flip }) => (flip ? shown(flip.total.rise) : missing) },
];

/** What `s2ap sharpness` measured of a run's scores; nothing where it has not. */
export function SharpnessSection({ id }: { readonly id: string }) {
  const { answer } = useAnswer<SharpnessShown | null>(`/api/runs/${id}/sharpness`);
  if (answer === undefined || answer === null || answer.epochs.length === 0) return null;
  const { images, split, attack, norm, eps } = answer.settings;
  return (
    <section>
      <h2>Sharpness of the scores</h2>
      <p class="note">
        Robust loss on {count(images)} images ({split}) under the attack {attack}, {norm} {eps}: curvature at the
        scores, and how far it rises around them. ± is a bound for eigenvalues, a standard error elsewhere.
      </p>
      <div class="scroll">
        <table class="sharpness">
          <thead>
            <tr>
              <th scope="col">Epochs of the search done</th>
              {columns.map(({ name }) => (
                <th key={name} scope="col" class="num">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {answer.epochs.map((epoch) => (
              <tr key={epoch.epoch}>
                <th scope="row">{epoch.epoch}</th>
                {columns.map(({ name, of }) => (
                  <td key={name} class="num">
                    {of(epoch)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <TiesChart epochs={answer.epochs} />
      <SharpnessLayers epochs={answer.epochs} />
    </section>
  );
}
