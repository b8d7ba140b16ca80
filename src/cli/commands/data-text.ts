import { count, table } from "../format.js";
import type { DataListed, DataSheet, DataSummary } from "../jobs/data.js";

const BAR = 20;
/** More classes than this are summed up in a line: `--json` has them all. */
const MOST_CLASSES = 100;

const STATES: Readonly<Record<DataListed["state"], string>> = {
  here: "here",
  absent: "not here yet",
  generated: "nothing to fetch",
  yours: "your files",
};

/** One line a data set. */
export function listText(listed: readonly DataListed[]): string {
  return table(
    listed.map(({ name, summary, state, needs }) => {
      const asks = needs.length > 0 ? `: --set ${needs.map((option) => `${option}=...`).join(" --set ")}` : "";
      return [name, `${STATES[state]}${asks}`, summary];
    }),
  );
}

/** A bar of up to twenty characters; what is there at all has at least one. */
function bar(value: number, most: number): string {
  return "=".repeat(most === 0 ? 0 : Math.ceil((BAR * value) / most));
}

function classTable({ splits, classNames, numClasses }: DataSummary): string {
  const { train, selection, test } = splits;
  const most = Math.max(...train.counts);
  const shown = Array.from({ length: Math.min(numClasses, MOST_CLASSES) }, (_, label) => [
    classNames[label] ?? String(label),
    count(train.counts[label] ?? 0),
    bar(train.counts[label] ?? 0, most),
    count(selection.counts[label] ?? 0),
    count(test.counts[label] ?? 0),
  ]);
  const text = table([["class", "train", "", "selection", "test"], ...shown], [1, 3, 4]);
  const rest = train.counts.slice(MOST_CLASSES);
  if (rest.length === 0) return text;
  const range = `${count(Math.min(...rest))} to ${count(Math.max(...rest))} training images`;
  return `${text}\nand ${count(rest.length)} more classes with ${range}: --json has all`;
}

/** What a data set is, where it came from, and how many images each class has. */
export function summaryText(data: DataSummary): string {
  const { name, summary, origin, sources, shape, numClasses, splits, findings } = data;
  const { train, test } = sources;
  const [channels, height, width] = shape;
  const sizes = Object.entries(splits).map(([split, { images }]) => `${split} ${count(images)}`);
  const same = train.location === test.location && train.sha256 === test.sha256;
  const of = (source: typeof train) => `${source.kind}, ${source.location}`;
  const looked = findings === null ? "not looked at (--quick)" : `${count(findings.images)} looked at`;
  const facts = table([
    ["from", origin.from],
    ["read from", of(train)],
    ["SHA-256", train.sha256],
    ...(same ? [] : [["test from", of(test)] as const, ["SHA-256", test.sha256] as const]),
    ["images", `${sizes.join(", ")}; ${looked}`],
    ["shape", `${channels} x ${height} x ${width} (channels, height, width), ${count(numClasses)} classes`],
  ]);
  return `${name}: ${summary}\n${facts}\n\n${classTable(data)}`;
}

export function sheetText({ out, rows, leftOut, width, height }: DataSheet): string {
  const left = leftOut === 0 ? "" : `; ${count(leftOut)} more had no room`;
  return `${out}: ${count(rows)} classes${left}, ${width} x ${height} pixels`;
}
