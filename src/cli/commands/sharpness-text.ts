// What `s2ap sharpness` prints of a record: a column for each quantity that was measured, and what it means.
import type { Quantity, SharpnessEpoch, SharpnessRecord } from "../../evaluation/index.js";
import { count, duration, number, percent, table } from "../format.js";

type Settings = SharpnessRecord["settings"];

const signed = (value: number) => `${value < 0 ? "" : "+"}${value.toPrecision(3)}`;
const rough = (value: number) => value.toPrecision(1);

/** Of the ties that are shown: in root mean squares of a layer's scores. */
const NEAR = 0.01;

interface Column {
  readonly of: Quantity;
  readonly head: string;
  /** Undefined where the state has none. */
  cell(entry: SharpnessEpoch): string | undefined;
  meaning(settings: Settings): string;
}

const COLUMNS: readonly Column[] = [
  {
    ...{ of: "eigenvalues", head: "top eigenvalue" },
    cell: ({ eigenvalues: found }) =>
      found && `${number(found.values[0] as number)} (${rough(found.bounds[0] as number)})`,
    meaning: () => "top eigenvalue: in brackets how far at most the nearest eigenvalue is",
  },
  {
    ...{ of: "trace", head: "trace" },
    cell: ({ trace: found }) => {
      const error = found?.total.standardError ?? null;
      return found && `${number(found.total.value)} (${error === null ? "-" : rough(error)})`;
    },
    meaning: () => "trace: in brackets its standard error",
  },
  {
    ...{ of: "worst", head: "worst", cell: ({ worst }) => worst && signed(worst.total.rise) },
    meaning: ({ gamma }) => `worst: largest rise of the loss in the ball of gamma ${gamma}`,
  },
  {
    ...{ of: "average", head: "average", cell: ({ average }) => average && signed(average.total.value) },
    meaning: ({ gamma }) => `average: mean rise of the loss on the surface of the ball of gamma ${gamma}`,
  },
  {
    ...{ of: "flip", head: "flip", cell: ({ flip }) => (flip ? signed(flip.total.rise) : undefined) },
    meaning: ({ flipFraction }) => `flip: rise of the loss with ${percent(flipFraction)} of the kept weights exchanged`,
  },
  {
    ...{ of: "ties", head: "ties" },
    cell: ({ ties }) => (ties ? percent(ties.within[ties.deltas.indexOf(NEAR)] as number) : undefined),
    meaning: () => `ties: share of the scores within ${NEAR} root mean squares of the threshold`,
  },
];

/** A line an epoch, with what was measured, and what the columns mean. */
export function sharpnessText({ epochs, settings, run }: SharpnessRecord): string {
  const { images, split, attack, norm, eps, objective, dtype } = settings;
  const shown = COLUMNS.filter(({ cell }) => epochs.some((entry) => cell(entry) !== undefined));
  const head = ["epoch", "loss", "robust", ...shown.map((column) => column.head)];
  const rows = epochs.map((entry) => [
    ...[String(entry.epoch), number(entry.objectiveLoss), percent(entry.robustAccuracy)],
    ...shown.map(({ cell }) => cell(entry) ?? "-"),
  ]);
  const seconds = epochs.flatMap((entry) => Object.values(entry.seconds)).reduce((a, b) => a + b, 0);
  return [
    table(
      [head, ...rows],
      head.map((_, i) => i),
    ),
    `${run}: ${objective} on ${count(images)} ${split} images under the attack ${attack}, ${norm} ${eps}, ${dtype}; ${duration(seconds)}`,
    ...shown.map(({ meaning }) => meaning(settings)),
    ...epochs.flatMap(spectrum),
    ...fellBack(settings, epochs),
  ].join("\n");
}

/** What else an epoch's eigenvalues say: whether the loss curves downwards, and whether both ways to multiply agree. */
function spectrum({ epoch, eigenvalues }: SharpnessEpoch): string[] {
  if (eigenvalues === undefined) return [];
  const { smallest, check } = eigenvalues;
  const { doubleBackward: exact, finiteDifferences: near, relativeDifference: apart } = check;
  const both = exact === null || apart === null ? "" : `${number(exact)} by double backward and `;
  const differ = apart === null ? "" : `, products ${percent(apart)} apart`;
  return [
    `epoch ${epoch}: smallest eigenvalue ${number(smallest.value)} (${rough(smallest.bound)}); along the leading vector ` +
      `${both}${number(near)} by finite differences${differ}`,
  ];
}

/** Says so where products were not made as was asked for. */
function fellBack({ products }: Settings, epochs: readonly SharpnessEpoch[]): string[] {
  const by = epochs.flatMap(({ eigenvalues, trace }) => [eigenvalues?.products, trace?.products]);
  if (products === "finiteDifferences" || !by.includes("finiteDifferences")) return [];
  return ["products by finite differences: an operator of the loss has no second derivative in libtorch"];
}
