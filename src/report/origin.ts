// Where a number of a report stands, so that a reader or a program can look it up:
//   hydra/events.jsonl:12#/maskDistance/perKept   the 12th line of a log, and in it a JSON pointer (RFC 6901)
//   results.json#/rows/0/robustAccuracy           the same in a JSON file
//   hydra/masks.safetensors#conv1.weight          a tensor of a file
// Files are named from the folder that the report is written to, so that both can be moved together.
import { relative, resolve, sep } from "node:path";

/** One value in a file. */
export interface Place {
  /** Path as the command line gave it. */
  readonly file: string;
  /** Line of a log, counted from 1. */
  readonly line?: number;
  /** JSON pointer, or the name of a tensor; nothing for the whole file. */
  readonly at: string;
}

/**
 * How a value comes from its places: `read` as it is; `sum` of them; `zeros`, the share of zeros of a tensor; `wilson`, the
 * interval of [share, trials]; `above`, the share of a list's numbers that are above one of them, where null is above all, and
 * `above-low` and `above-high`, the ends of that share's interval; `jaccard`, that of the sets that two packed masks keep; `difference`, the second less the first; `newcombe`, the interval of that difference from
 * [share, interval, share, interval].
 */
export type How =
  | "read"
  | "sum"
  | "zeros"
  | "wilson"
  | "above"
  | "above-low"
  | "above-high"
  | "jaccard"
  | "difference"
  | "newcombe";

export interface Origin {
  readonly how: How;
  readonly from: readonly Place[];
}

/** By the name of the field they tell of. */
export type Origins = Readonly<Record<string, Origin>>;

export const read = (place: Place): Origin => ({ how: "read", from: [place] });

/** Undefined where a part is: a sum whose parts cannot be named has no origin. */
export function computed(how: How, parts: readonly (Origin | undefined)[]): Origin | undefined {
  const known = parts.flatMap((part) => (part === undefined ? [] : [part]));
  if (known.length === 0 || known.length < parts.length) return undefined;
  return { how, from: known.flatMap(({ from }) => from) };
}

/** A JSON pointer of these steps. */
export function pointer(...steps: readonly (string | number)[]): string {
  return steps.map((step) => `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** A place as one line of text, its file named from `base`. */
export function placeText({ file, line, at }: Place, base: string): string {
  const path = relative(resolve(base), resolve(file)).split(sep).join("/");
  return `${path}${line === undefined ? "" : `:${line}`}#${at}`;
}
