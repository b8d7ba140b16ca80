// A grid: some choices, each with several values, and a cell for every combination of them.
import { expected, UsageError } from "../util/index.js";

/** A part of a recipe that is laid over it as a variant is: maps entry by entry, `null` removes. */
export type Over = Readonly<Record<string, unknown>>;

/**
 * What a choice may be: parts of a recipe by label; or, where the choice is called as a path of the recipe
 * (`stages.search.method.keepRatio`), the values that stand there, which are labels too.
 */
export type Axis = Readonly<Record<string, Over>> | readonly (string | number | boolean)[];

export type Axes = Readonly<Record<string, Axis>>;

/** One combination: `at` has the label of each choice, `overs` what they lay over the recipe, in order. */
export interface GridPoint {
  /** The labels, joined by `-`. */
  readonly name: string;
  readonly at: Readonly<Record<string, string>>;
  readonly overs: readonly Over[];
}

export interface ExpandOptions {
  /** Combinations that make no sense: a point is left out if it has all labels of one of these; default none. */
  readonly exclude?: readonly Readonly<Record<string, string | number | boolean>>[];
}

interface Labelled {
  readonly label: string;
  readonly over: Over;
}

/** `a.b.c` and a value as `{ a: { b: { c: value } } }`. */
export function atPath(path: string, value: unknown): Over {
  const nested = path.split(".").reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
  return nested as Over;
}

function labelled(name: string, axis: Axis): Labelled[] {
  const listed = Array.isArray(axis) ? axis.map((value) => ({ label: String(value), over: atPath(name, value) })) : [];
  const all = Array.isArray(axis) ? listed : Object.entries(axis).map(([label, over]) => ({ label, over }));
  if (all.length === 0) throw new UsageError(expected("grid", `values of ${name}`, axis));
  const wrong = all.find(({ label }, i) => !/^[\w.]+$/.test(label) || all.findIndex((a) => a.label === label) < i);
  if (wrong === undefined) return all;
  throw new UsageError(
    expected("grid", `labels of ${name} of letters, digits, "." and "_", all different`, wrong.label),
  );
}

/** All combinations in order, the last choice changing fastest, without those excluded. */
export function expandGrid(axes: Axes, { exclude = [] }: ExpandOptions = {}): GridPoint[] {
  const choices = Object.entries(axes).map(([name, axis]) => ({ name, values: labelled(name, axis) }));
  if (choices.length === 0) throw new UsageError(expected("grid", "at least one choice in axes", axes));
  for (const [name, label] of exclude.flatMap((labels) => Object.entries(labels))) {
    const known = choices.find((choice) => choice.name === name)?.values.map((value) => value.label);
    if (known?.includes(String(label))) continue;
    const what = known === undefined ? `choices (${choices.map((c) => c.name).join(", ")})` : `${known.join(", ")}`;
    throw new UsageError(expected("grid", `exclude to name ${what}`, `${name}: ${label}`));
  }
  let points: GridPoint[] = [{ name: "", at: {}, overs: [] }];
  for (const { name, values } of choices) {
    points = points.flatMap((point) =>
      values.map(({ label, over }) => ({
        name: point.name === "" ? label : `${point.name}-${label}`,
        at: { ...point.at, [name]: label },
        overs: [...point.overs, over],
      })),
    );
  }
  const isExcluded = ({ at }: GridPoint) =>
    exclude.some((labels) => Object.entries(labels).every(([name, label]) => at[name] === String(label)));
  return points.filter((point) => !isExcluded(point));
}
