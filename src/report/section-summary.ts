import type { Section } from "./blocks.js";
import type { ReportData } from "./data.js";
import { count, listing, percent, percentInterval, seconds, significant } from "./format.js";
import { differences, newcombe, pairsOf, type RowPair } from "./section-pairs.js";

/** What a pair shows: accuracy, cost, stability, sharpness, in the same words as the tables' numbers. */
function pairSentences({ plain, s2ap }: RowPair): string[] {
  const [a, b] = [plain.row, s2ap.row];
  const said: string[] = [];
  if (
    a.robustAccuracy !== null &&
    b.robustAccuracy !== null &&
    a.robustInterval !== null &&
    b.robustInterval !== null
  ) {
    const ends = newcombe(a.robustAccuracy, a.robustInterval, b.robustAccuracy, b.robustInterval);
    const none = ends[0] <= 0 && ends[1] >= 0;
    const verdict = none ? "not distinguishable from none" : ends[0] > 0 ? "in favour of S2AP" : "against S2AP";
    said.push(
      `Robust accuracy: ${percent(a.robustAccuracy)} % as it was and ${percent(b.robustAccuracy)} % with S2AP, a difference ${verdict} ` +
        `(95 % interval ${percentInterval(ends)} points).`,
    );
  }
  if (a.passes !== null && b.passes !== null) {
    said.push(
      `Cost: ${count(a.passes)} passes in ${seconds(a.seconds)} s as it was, ${count(b.passes)} in ${seconds(b.seconds)} s with S2AP.`,
    );
  }
  if (a.maskDistance !== null && b.maskDistance !== null) {
    said.push(
      `Stability: the last search epoch replaced ${percent(a.maskDistance, 2)} % of the kept weights as it was, ${percent(b.maskDistance, 2)} % with S2AP.`,
    );
  }
  const [before, after] = [plain, s2ap].map(({ run }) => run.sharpness?.states.at(-1));
  if (before?.top != null && after?.top != null) {
    said.push(
      `Sharpness: the largest eigenvalue at the end of the search is ${significant(before.top)} as it was, ${significant(after.top)} with S2AP.`,
    );
  }
  return said;
}

/** In short: what each pair with and without S2AP shows. */
export function summarySection(data: ReportData): Section {
  const pairs = pairsOf(data);
  const apart = differences(pairs);
  const blocks = pairs.flatMap((pair) => {
    const items = pairSentences(pair);
    if (items.length === 0) return [];
    const options = listing(apart.map(({ option, of }) => `${option} ${of(pair)}`));
    const names = listing([pair.plain.row.name, pair.s2ap.row.name]);
    const heading = `${names}: the same search without and with S2AP${options === "" ? "" : ` (${options})`}`;
    return [{ kind: "heading", text: heading } as const, { kind: "list", items } as const];
  });
  return { id: "summary", title: "In short", blocks };
}
