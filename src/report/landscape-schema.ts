// What is read of a record of `s2ap landscape`: the loss on a line or a grid of directions in score space. A row of `losses` for each
// coordinate of the second axis (one row where there is none), a number for each of the first.
import { z } from "zod";

/** Loss at (x, y), a row for each y, one of a line; `null` where it is not measured. */
export type Losses = readonly (readonly (number | null)[])[];

export interface SliceAxis {
  readonly name: string;
  /** Ascending. */
  readonly at: readonly number[];
}

const number = z.number().nullable().catch(null);
const text = z.string().nullable().catch(null);
const axis = z.object({ direction: z.string(), coordinates: z.array(z.number()).min(2) });
const record = z.object({
  settings: z.object({
    axes: z.array(axis).min(1).max(2),
    ...{ epoch: number, images: number, seed: number, split: text },
    ...{ attack: text, norm: text, eps: text, objective: text, loss: text },
    data: z.object({ sha256: text }).nullable().catch(null),
    other: z.object({ run: text }).nullable().catch(null),
  }),
  cosine: number,
  losses: z.array(z.array(number)),
});

/** A landscape, with what it was made of as far as the record says so; points still to be computed are `null`. */
export interface ParsedLandscape extends Omit<z.output<typeof record>["settings"], "axes" | "loss"> {
  readonly x: SliceAxis;
  /** `null` of a line. */
  readonly y: SliceAxis | null;
  readonly loss: Losses;
  /** Which loss it is: `robust`, that of `objective`, or `crossEntropy`. */
  readonly drawn: string | null;
  /** Between the two directions; `null` of a line. */
  readonly cosine: number | null;
}

const ascending = (values: readonly number[]) =>
  values.every((value, i) => i === 0 || value > (values[i - 1] as number));

/** A JSON value as a landscape; `null` where it is none. */
export function parseLandscape(json: unknown): ParsedLandscape | null {
  const found = record.safeParse(json);
  if (!found.success) return null;
  const { settings, losses, cosine } = found.data;
  const { axes, loss: drawn, ...made } = settings;
  const [x, y = null] = axes.map(({ direction, coordinates }) => ({ name: direction, at: coordinates }));
  if (x === undefined || !ascending(x.at) || !ascending(y?.at ?? [])) return null;
  const whole = losses.length === (y?.at.length ?? 1) && losses.every((row) => row.length === x.at.length);
  return whole ? { ...made, drawn, cosine, x, y, loss: losses } : null;
}

/** Those names of a run folder's files that are landscapes: `landscape.json`, and `landscape-eigen.json` or the like. */
export const landscapeFiles = (names: readonly string[]): string[] =>
  names.filter((name) => /^landscape(-.*)?\.json$/.test(name)).sort();
