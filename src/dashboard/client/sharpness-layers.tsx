import { useState } from "preact/hooks";
import type { SharpnessShown } from "../sharpness-schema.js";
import { within } from "./line-option.js";

type Epoch = SharpnessShown["epochs"][number];

interface OfLayer {
  readonly value: number | null | undefined;
  /** How far off it may be. */
  readonly off?: number | null;
}

type Layers = Readonly<Record<string, OfLayer>>;
const each = <T,>(layers: Readonly<Record<string, T>> | undefined, of: (one: T) => OfLayer): Layers =>
  Object.fromEntries(Object.entries(layers ?? {}).map(([name, one]) => [name, of(one)]));

/** Of the distances from the threshold that are measured, in root mean squares of a layer's scores. */
const DELTA = 0.01;

const quantities: readonly { readonly name: string; readonly of: (epoch: Epoch) => Layers }[] = [
  {
    name: "largest eigenvalue",
    of: ({ eigenvalues }) => each(eigenvalues?.layers, ({ value, bound }) => ({ value, off: bound })),
  },
  {
    name: "trace",
    of: ({ trace }) => each(trace?.layers, ({ value, standardError }) => ({ value, off: standardError })),
  },
  { name: "worst rise in the ball", of: ({ worst }) => each(worst?.layers, ({ rise }) => ({ value: rise })) },
  {
    name: "average rise",
    of: ({ average }) => each(average?.layers, ({ value, standardError }) => ({ value, off: standardError })),
  },
  { name: "rise, nearest swapped", of: ({ flip }) => each(flip?.layers, ({ rise }) => ({ value: rise })) },
  {
    name: `share of scores within ${DELTA} of the threshold`,
    of: ({ ties }) => each(ties?.layers, (layer) => ({ value: layer.within[ties?.deltas.indexOf(DELTA) ?? -1] })),
  },
];

/** A quantity of single layers, by layer and epoch: numbers with bars, all on one scale. Nothing where layers were not measured. */
export function SharpnessLayers({ epochs }: { readonly epochs: readonly Epoch[] }) {
  const [wanted, choose] = useState("");
  const measured = quantities.flatMap(({ name, of }) => {
    const columns = epochs.map((epoch) => ({ epoch: epoch.epoch, layers: of(epoch) }));
    const told = columns.filter(({ layers }) => Object.keys(layers).length > 0);
    return told.length === 0 ? [] : [{ name, columns: told }];
  });
  const shown = measured.find(({ name }) => name === wanted) ?? measured[0];
  if (shown === undefined) return null;
  const layers = [...new Set(shown.columns.flatMap((column) => Object.keys(column.layers)))];
  const values = shown.columns.flatMap((column) => Object.values(column.layers).map(({ value }) => value ?? 0));
  const most = values.reduce((a, b) => Math.max(a, b), 0);
  return (
    <>
      <h3>By layer, with the others at rest</h3>
      <p class="filters">
        <label>
          Quantity{" "}
          <select value={shown.name} onChange={(event) => choose(event.currentTarget.value)}>
            {measured.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </p>
      <div class="scroll">
        <table class="layers by-layer">
          <caption>
            <span>By layer and epochs of the search done: {shown.name}. Bars are on one scale.</span>
          </caption>
          <thead>
            <tr>
              <th scope="col">Layer</th>
              {shown.columns.map(({ epoch }) => (
                <th key={epoch} scope="col" class="num">
                  after {epoch}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {layers.map((layer) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                {shown.columns.map(({ epoch, layers: own }) => (
                  <td key={epoch} class="num">
                    {within(own[layer]?.value, own[layer]?.off)}
                    <progress aria-hidden="true" value={share(own[layer]?.value, most)} />
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** Of the greatest; nothing where a value is negative or not there. */
const share = (value: number | null | undefined, most: number): number =>
  most > 0 ? Math.max(0, value ?? 0) / most : 0;
