import type { Section } from "./blocks.js";
import type { ReportData } from "./data.js";
import { count, listing, percent, percentInterval, seconds, significant } from "./format.js";
import { differences, newcombe, pairsOf, type RowPair } from "./section-pairs.js";

/** What a pair shows: accuracy, cost, stability, sharpness, in the same words as the tables' numbers; `seeds` are those of pairs that differ in nothing else. */
function pairSentences({ plain, s2ap }: RowPair, seeds: number): string[] {
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
  said.push(...sharpnessSentence({ plain, s2ap }, seeds));
  return said;
}

/** Curvature at the scores and the loss in the ball around them, which need not agree. */
function sharpnessSentence({ plain, s2ap }: RowPair, seeds: number): string[] {
  const [a, b] = [plain, s2ap].map(({ run }) => run.sharpness?.states.at(-1));
  if (a === undefined || b === undefined) return [];
  const compared = (what: string, before: number | null, after: number | null) =>
    before === null || after === null
      ? []
      : [
          {
            text: `${what} ${significant(before)} as it was, ${significant(after)} with S2AP`,
            way: Math.sign(after - before),
          },
        ];
  const apart = plain.run.sharpness?.settings.gamma !== s2ap.run.sharpness?.settings.gamma;
  const rise = `the worst rise of the loss in the ball${apart ? " (of another gamma each)" : ""} is`;
  const found = [...compared("the largest eigenvalue is", a.top, b.top), ...compared(rise, a.worst, b.worst)];
  if (found.length === 0) return [];
  const against = found.length === 2 && found[0]?.way === -(found[1]?.way ?? 0) && found[0].way !== 0;
  const other = against ? ", which points the other way" : "";
  const one = seeds === 1 ? " There is one seed: another search may show otherwise." : "";
  return [`Sharpness at the end of the search: ${found.map(({ text }) => text).join("; ")}${other}.${one}`];
}

/** In short: what each pair with and without S2AP shows. */
export function summarySection(data: ReportData): Section {
  const pairs = pairsOf(data);
  const apart = differences(pairs);
  const alike = ({ s2ap: { facts } }: RowPair) =>
    JSON.stringify([{ ...(facts.rest as object), seed: null }, facts.options]);
  const seedsOf = (pair: RowPair) =>
    new Set(pairs.filter((each) => alike(each) === alike(pair)).map(({ s2ap }) => s2ap.row.seed)).size;
  const blocks = pairs.flatMap((pair) => {
    const items = pairSentences(pair, seedsOf(pair));
    if (items.length === 0) return [];
    const options = listing(apart.map(({ option, of }) => `${option} ${of(pair)}`));
    const names = listing([pair.plain.row.name, pair.s2ap.row.name]);
    const heading = `${names}: the same search without and with S2AP${options === "" ? "" : ` (${options})`}`;
    return [{ kind: "heading", text: heading } as const, { kind: "list", items } as const];
  });
  return { id: "summary", title: "In short", blocks };
}
