// What was measured of the searches of a grid's cells: the loss over scores.
import { meanInterval } from "../util/index.js";
import { type Block, figures, type Section, type Table, words } from "./blocks.js";
import { count, missing, significant } from "./format.js";
import type { CellData, CellSharpness, GridData } from "./grid-data.js";
import { groupsOf } from "./grid-means.js";
import { type DoneCell, isDone } from "./grid-pairs.js";

export type State = CellSharpness["states"][number];

/** Of the search's last state that was measured. */
export const lastState = ({ result }: DoneCell): State | undefined => result.sharpness?.states.at(-1);

/** `1.23 (0.9 to 1.5): 1.1, 1.2, 1.4`; of one repetition its value. */
export function spread(values: readonly number[]): string {
  if (values.length === 0) return missing;
  const { mean, interval } = meanInterval(values);
  if (interval === undefined) return significant(mean);
  const [low, high] = interval;
  const each = values.map((value) => significant(value)).join(", ");
  return `${significant(mean)} (${significant(low)} to ${significant(high)}): ${each}`;
}

/** Every state of every cell. */
function stateTable({ cells }: GridData, axes: readonly string[]): Table {
  const rows = cells.flatMap(({ at, status, result }: CellData): string[][] => {
    const labels = axes.map((axis) => at[axis] || missing);
    if (status !== "done") return [[...labels, status, missing, missing, missing, missing]];
    return (result?.sharpness?.states ?? []).map(({ epoch, objectiveLoss, topEigenvalue, worstRise }) => [
      ...labels,
      String(epoch),
      significant(objectiveLoss),
      significant(topEigenvalue?.value),
      significant(topEigenvalue?.bound, 1),
      significant(worstRise),
    ]);
  });
  const heads = ["Epochs done", "Loss", "Top eigenvalue", "Bound of its error", "Worst rise in the ball"];
  return { caption: "States of the searches", columns: [...axes.map(words), ...heads.map(figures)], rows };
}

/** Means over the repetitions at the end of the search. */
function endTable(grid: GridData): Table {
  const axes = Object.keys(grid.cells[0]?.at ?? {}).filter((axis) => axis !== grid.repeat);
  const rows = groupsOf(grid).flatMap(({ labels, cells }) => {
    const ends = cells.flatMap((cell) => lastState(cell) ?? []);
    if (ends.length === 0) return [];
    return [
      [
        ...labels.map((label) => label || missing),
        spread(ends.flatMap(({ topEigenvalue }) => topEigenvalue?.value ?? [])),
        spread(ends.flatMap(({ worstRise }) => worstRise ?? [])),
      ],
    ];
  });
  return {
    caption: `After the search, mean over ${grid.repeat} (95 % t interval): each ${grid.repeat}`,
    columns: [...axes.map(words), ...["Top eigenvalue", "Worst rise in the ball"].map(figures)],
    rows,
  };
}

function howText({ settings }: CellSharpness): string {
  const { images, split, attack, norm, eps, objective, gamma, lanczosSteps, dtype } = settings;
  return (
    `The loss over scores is ${objective} on ${count(images)} images of the ${split} split, under the attack ${attack} (${norm}, eps ${eps}), ` +
    `in ${dtype}; batch norm has its running statistics, the adversarial examples are made once for each state. Top eigenvalue: of the Hessian ` +
    `over scores with the mask held, by ${lanczosSteps} Lanczos steps; some eigenvalue lies within the bound. Worst rise: largest loss ` +
    `found within ${gamma} of each layer's scores (2-norm), masks taken anew, less the loss at the scores; the radius is the same in all cells, whatever ` +
    "a search's own gamma. States of 0 epochs are the starts."
  );
}

/** The loss over scores around the searches; none where it was not measured. */
export function sharpnessSection(grid: GridData): Section[] {
  const first = grid.cells.filter(isDone).find(({ result }) => result.sharpness !== undefined)?.result.sharpness;
  if (first === undefined) return [];
  const tables = [endTable(grid), stateTable(grid, Object.keys(grid.cells[0]?.at ?? {}))];
  const blocks: Block[] = [
    { kind: "text", text: howText(first) },
    ...tables.map((table): Block => ({ kind: "table", table })),
  ];
  return [{ id: "sharpness", title: "Sharpness of the scores", blocks }];
}
