// How stable the masks of a grid's cells are: from epoch to epoch of a search, and between its repetitions.
import { type Block, figures, type Section, type Table, words } from "./blocks.js";
import { decimal, missing, percent } from "./format.js";
import type { GridData } from "./grid-data.js";
import { type Group, groupsOf, meanText } from "./grid-means.js";

const orDash = (values: readonly number[], text: (values: readonly number[]) => string) =>
  values.length === 0 ? missing : text(values);

/** `12.5: 11.9, 13.1`: each two of the repetitions, which are not independent, so that there is no interval. */
function apartText(values: readonly number[]): string {
  const mean = percent(values.reduce((a, b) => a + b, 0) / values.length);
  return values.length === 1 ? mean : `${mean}: ${values.map((value) => percent(value)).join(", ")}`;
}

/** Groups of cells whose search moved a mask. */
const searched = (grid: GridData): Group[] =>
  groupsOf(grid).filter(({ cells }) => cells.some(({ result }) => result.maskDistances.length > 0));

function meansTable(grid: GridData, groups: readonly Group[]): Table {
  const axes = Object.keys(grid.cells[0]?.at ?? {}).filter((axis) => axis !== grid.repeat);
  const rows = groups.map(({ labels, cells }) => {
    const names = new Set(cells.map(({ name }) => name));
    const between = grid.distances.filter(({ a, b }) => names.has(a) && names.has(b)).map(({ perKept }) => perKept);
    const epochs = cells.map(({ result }) => result.maskDistances);
    const totals = epochs.map((distances) => distances.reduce((a, b) => a + b, 0));
    return [
      ...labels.map((label) => label || missing),
      orDash(between, apartText),
      orDash(
        epochs.flatMap((distances) => distances.at(-1) ?? []),
        meanText,
      ),
      totals.map((total) => decimal(100 * total, 1)).join(", "),
      orDash(
        cells.flatMap(({ result }) => result.swapFraction ?? []),
        meanText,
      ),
    ];
  });
  const heads = [
    `Between masks of two: mean, each two`,
    "Replaced in the last epoch: mean (95 % t interval), each",
    "Replaced in all epochs together",
    "Swapped by the perturbation: mean (95 % t interval), each",
  ];
  const caption = `Masks over ${grid.repeat}, % of the kept weights`;
  return { caption, columns: [...axes.map(words), ...heads.map(figures)], rows };
}

function epochsTable(grid: GridData, groups: readonly Group[]): Table {
  const axes = Object.keys(grid.cells[0]?.at ?? {}).filter((axis) => axis !== grid.repeat);
  const epochs = Math.max(...groups.flatMap(({ cells }) => cells.map(({ result }) => result.maskDistances.length)));
  const rows = groups.map(({ labels, cells }) => [
    ...labels.map((label) => label || missing),
    ...Array.from({ length: epochs }, (_, epoch) => {
      const found = cells.flatMap(({ result }) => result.maskDistances[epoch] ?? []);
      return orDash(found, (values) => values.map((value) => percent(value)).join(", "));
    }),
  ]);
  return {
    caption: `Mask replaced in each epoch, % of kept: each ${grid.repeat}`,
    columns: [...axes.map(words), ...Array.from({ length: epochs }, (_, i) => figures(`Epoch ${i + 1}`))],
    rows,
  };
}

const EXPLAINED =
  "Mask replaced: Hamming distance / 2k to the mask of the epoch before (of the first epoch: to the start); between masks of two repetitions " +
  "alike. 0 is the same mask, 100 one that shares no weight. Two masks drawn at random would be as far apart as the share of weights removed.";

/** Distances of masks; none where no search has moved one. */
export function stabilitySection(grid: GridData): Section[] {
  const groups = searched(grid);
  if (groups.length === 0) return [];
  const tables = [meansTable(grid, groups), epochsTable(grid, groups)];
  const blocks: Block[] = [
    { kind: "text", text: EXPLAINED },
    ...tables.map((table): Block => ({ kind: "table", table })),
  ];
  return [{ id: "stability", title: "Stability of the masks", blocks }];
}
