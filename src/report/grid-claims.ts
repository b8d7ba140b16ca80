// Which of the claims of the S2AP paper (arXiv 2510.18381) a grid's numbers bear out: that the loss over scores is flatter
// where the search ends, that masks are more stable, that networks are more robust before finetuning and after it.
//
// Quantities of a search are paired by repetition: the mean of the repetitions' ratios (where all values are above 0, as
// their logarithms) or differences, with its 95 % t interval. Robust accuracy is compared image by image by McNemar's
// test, 5 % shared out among all of these, and differs only where it does in every repetition and in one direction.
import { meanInterval } from "../util/index.js";
import { type Block, figures, type Section, type Table, words } from "./blocks.js";
import { decimal, listing, percent, significant } from "./format.js";
import type { GridClaims, GridData } from "./grid-data.js";
import { type DoneCell, isDone, type Pair, type PairTest, pairsOf, share, testsOf } from "./grid-pairs.js";
import { lastState } from "./grid-sharpness.js";

export type Verdict = "holds" | "the opposite holds" | "not distinguishable";

interface Finding {
  readonly claim: string;
  /** Labels of the other choices. */
  readonly where: string;
  readonly base: string;
  readonly other: string;
  readonly change: string;
  readonly verdict: Verdict;
}

interface Quantity {
  readonly claim: string;
  of(cell: DoneCell): number | undefined;
  text(value: number): string;
}

/** Less is what the paper claims of each. */
const QUANTITIES: readonly Quantity[] = [
  {
    claim: "Flatter score space: top eigenvalue after the search",
    of: (cell) => lastState(cell)?.topEigenvalue?.value,
    text: significant,
  },
  {
    claim: "Flatter score space: worst rise of the loss in the ball",
    of: (cell) => lastState(cell)?.worstRise ?? undefined,
    text: significant,
  },
  {
    claim: "Stabler masks: replaced in the last epoch, % of kept",
    of: ({ result }) => result.maskDistances.at(-1),
    text: (value) => percent(value, 2),
  },
  {
    claim: "Stabler masks: replaced in all epochs together, % of kept",
    of: ({ result: { maskDistances } }) =>
      maskDistances.length === 0 ? undefined : maskDistances.reduce((a, b) => a + b, 0),
    text: (value) => percent(value, 2),
  },
];

/** Whether less is shown by paired values; of fewer than two nothing is. */
export function lessVerdict(pairs: readonly (readonly [base: number, other: number])[]) {
  const ratios = pairs.every(([base, other]) => base > 0 && other > 0);
  const changes = pairs.map(([base, other]) => (ratios ? Math.log(other / base) : other - base));
  const { mean, interval } = meanInterval(changes);
  const shown = (change: number) => (ratios ? Math.exp(change) : change);
  const verdict: Verdict =
    interval === undefined || (interval[0] <= 0 && interval[1] >= 0)
      ? "not distinguishable"
      : mean < 0
        ? "holds"
        : "the opposite holds";
  return { ratios, mean: shown(mean), interval: interval?.map(shown), verdict };
}

/** Whether more is shown by McNemar's tests of the repetitions, at least two. */
export function moreVerdict(tests: readonly PairTest[], limit: number): Verdict {
  const signs = new Set(tests.map(({ difference }) => Math.sign(difference)));
  if (tests.length < 2 || signs.size !== 1 || tests.some(({ p }) => p >= limit)) return "not distinguishable";
  return (tests[0] as PairTest).difference > 0 ? "holds" : "the opposite holds";
}

/** Pairs of base and other that the claims are about, by the labels of the other choices. */
function contestsOf(grid: GridData, { axis, base, other }: GridClaims): (readonly [string, readonly Pair[]])[] {
  const found = new Map<string, Pair[]>();
  for (const pair of pairsOf(grid)) {
    if (pair.axis !== axis || pair.a.control !== undefined) continue;
    const labels = [pair.a.at[axis], pair.b.at[axis]];
    if (!labels.includes(base) || !labels.includes(other)) continue;
    const rest = Object.entries(pair.a.at).flatMap(([key, label]) =>
      key === axis || key === grid.repeat ? [] : [`${key} ${label}`],
    );
    const where = rest.join(", ") || "all";
    found.set(where, [...(found.get(where) ?? []), pair.a.at[axis] === base ? pair : turned(pair)]);
  }
  return [...found];
}

/** The same pair with the cells in the other order. */
function turned({ axis, a, b, before, after }: Pair): Pair {
  const turn = ({ difference, onlyA, onlyB, p }: PairTest): PairTest => ({
    ...{ difference: -difference, onlyA: onlyB, onlyB: onlyA, p },
  });
  return { axis, a: b, b: a, before: turn(before), after: after && turn(after) };
}

function ofSearch(where: string, pairs: readonly Pair[]): Finding[] {
  return QUANTITIES.flatMap(({ claim, of, text }): Finding[] => {
    const values = pairs.flatMap(({ a, b }) => {
      const [base, other] = [of(a), of(b)];
      return base === undefined || other === undefined ? [] : [[base, other] as const];
    });
    if (values.length === 0) return [];
    const { ratios, mean, interval, verdict } = lessVerdict(values);
    const within = interval ? ` (${interval.map((end) => significant(end)).join(" to ")})` : "";
    const each = (i: 0 | 1) => values.map((pair) => text(pair[i])).join(", ");
    return [
      {
        claim,
        where,
        base: each(0),
        other: each(1),
        change: `${ratios ? "× " : ""}${significant(mean)}${within}`,
        verdict,
      },
    ];
  });
}

const ACCURACY = { before: "More robust before finetuning", after: "More robust after finetuning" } as const;

function ofAccuracy(where: string, pairs: readonly Pair[], limit: number): Finding[] {
  return (["before", "after"] as const).flatMap((when): Finding[] => {
    const tests = pairs.flatMap((pair) => pair[when] ?? []);
    if (tests.length === 0) return [];
    const each = (cell: "a" | "b") =>
      pairs.flatMap((pair) => pair[cell].result[when]?.robust ?? []).map((hits) => percent(share(hits)));
    const { mean, interval } = meanInterval(tests.map(({ difference }) => 100 * difference));
    const within = interval ? ` (${interval.map((end) => decimal(end, 1)).join(" to ")})` : "";
    const change = `${decimal(mean, 1)} points${within}; p ${tests.map(({ p }) => significant(p, 2)).join(", ")}`;
    const [base, other] = [each("a").join(", "), each("b").join(", ")];
    return [{ claim: `${ACCURACY[when]}, %`, where, base, other, change, verdict: moreVerdict(tests, limit) }];
  });
}

/** The 5 % of all tests of robust accuracy, shared out. */
const limitOf = (contests: ReturnType<typeof contestsOf>) =>
  0.05 / Math.max(1, testsOf(contests.flatMap(([, pairs]) => pairs)).length);

function table(findings: readonly Finding[], { base, other }: GridClaims): Table {
  const columns = [
    words("Claim"),
    words("At"),
    ...[base, other, `${other} against ${base}`].map(figures),
    words("Verdict"),
  ];
  const rows = findings.map((one) => [one.claim, one.where, one.base, one.other, one.change, one.verdict]);
  return {
    caption: "The paper's claims, repetition by repetition, and the mean change (95 % t interval)",
    columns,
    rows,
  };
}

/** A sentence a claim: `Stabler masks, ...: holds at sparsity 90; not distinguishable at sparsity 95.` */
function sentences(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map(({ claim }) => claim))].map((claim) => {
    const own = findings.filter((one) => one.claim === claim);
    const told = [...new Set(own.map(({ verdict }) => verdict))].map((verdict) => {
      const places = own.filter((one) => one.verdict === verdict).map(({ where }) => where);
      return places.join() === "all" ? verdict : `${verdict} at ${listing(places)}`;
    });
    return `${claim.replace(", %", "").replace(" of kept", "")}: ${told.join("; ")}.`;
  });
}

/** What the numbers say of the paper's claims; none where the grid names none. */
export function claimsSection(grid: GridData): Section[] {
  const { claims, repeat } = grid;
  if (claims === undefined) return [];
  const contests = contestsOf(grid, claims);
  const limit = limitOf(contests);
  const findings = contests.flatMap(([where, pairs]) => [
    ...ofSearch(where, pairs),
    ...ofAccuracy(where, pairs, limit),
  ]);
  const { base, other } = claims;
  const missingCells = grid.cells.filter((cell) => !isDone(cell)).length;
  const how =
    `${other} is held against ${base}, ${repeat} by ${repeat}. The repetitions vary the search and the finetuning and not the pretraining: all cells begin with ` +
    "one dense network, so nothing here says what another one would show. Of a quantity of the search, a claim holds where the 95 % t interval of its paired " +
    "change lies wholly on the claimed side, each by itself: of twenty such findings one is to be expected by chance. Of robust accuracy it holds where " +
    `McNemar's test on the same images has p < ${significant(limit, 2)} (5 % shared out among these comparisons, named beforehand; further down they share it with all others of the page) in every ${repeat}, in the claimed direction. ` +
    "Not distinguishable does not mean equal: with so few repetitions only large effects show.";
  const note = missingCells > 0 ? ` ${missingCells} cells are not done; what follows is from the others.` : "";
  const blocks: Block[] = [{ kind: "text", text: `${how}${note}` }];
  if (findings.length === 0) blocks.push({ kind: "text", text: "No two finished cells can be compared yet." });
  else blocks.push({ kind: "list", items: sentences(findings) }, { kind: "table", table: table(findings, claims) });
  return [{ id: "claims", title: "Which of the paper's claims hold here", blocks }];
}
