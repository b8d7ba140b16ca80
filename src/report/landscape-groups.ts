// Landscapes as pages group and name them. A page of the browser takes this too: nothing here may need Node.
import { decimal, label } from "./format.js";
import type { ParsedLandscape, SliceAxis } from "./landscape-schema.js";
import type { Mark } from "./marks.js";

type Slice = Pick<ParsedLandscape, "x" | "y" | "other" | "cosine">;

/** A landscape with its run's name and its file's. */
interface Item {
  readonly run: string;
  readonly file: string;
  readonly landscape: Slice;
}

/** What is named by its run, or by run and file where the run has several of a group. */
export type Member<T> = T & { readonly name: string; readonly alone: boolean };

/** Landscapes along the same directions, side by side. */
export interface Group<T> {
  /** `Over eigen1 and eigen2`. */
  readonly title: string;
  readonly members: readonly Member<T>[];
}

const named = (direction: string) => label(direction, 40);

/** `along s2ap`, `over eigen1 and eigen2`. */
export const directions = ({ x, y }: Pick<Slice, "x" | "y">) =>
  y === null ? `along ${named(x.name)}` : `over ${named(x.name)} and ${named(y.name)}`;

/** Landscapes by their directions, in the order of each group's first. */
export function landscapeGroups<T extends Item>(all: readonly T[]): Group<T>[] {
  return [...new Set(all.map(({ landscape }) => directions(landscape)))].map((title) => {
    const own = all.filter(({ landscape }) => directions(landscape) === title);
    const members = own.map((each) => {
      const alone = own.filter(({ run }) => run === each.run).length === 1;
      return { ...each, alone, name: alone ? each.run : `${each.run}, ${each.file.replace(/\.json$/, "")}` };
    });
    return { title: `${title.charAt(0).toUpperCase()}${title.slice(1)}`, members };
  });
}

/** What coordinates along a direction of `s2ap landscape` are measured in; `other` is the run that the direction of this name leads to. */
export function axisName(direction: string, other: string | null = null): string {
  if (direction === "start") return "start (1: before the search)";
  if (direction === "other") return `other (1: ${other ?? "the other search's end"})`;
  return ["s2ap", "random", "eigen1", "eigen2"].includes(direction)
    ? `${direction}, in lengths of the scores`
    : direction;
}

/** Whether a direction leads to other scores, which are at 1. */
const leads = ({ name }: SliceAxis) => name === "start" || name === "other";

/** What is ringed in a plane: the scores at (0, 0), and where a direction leads to others, those at 1; then all have names. */
export function marksOf({ x, y, other }: Slice, run: string): Mark[] {
  if (y === null) return [];
  const ends = [x, y].filter(leads).map((axis): Mark => {
    const name = axis.name === "other" ? (other?.run ?? "other") : "before the search";
    return axis === x ? { x: 1, y: 0, name } : { x: 0, y: 1, name };
  });
  return [{ x: 0, y: 0, name: ends.length === 0 ? "" : run }, ...ends];
}

/** `hydra: other is hydra-s2ap, cosine of the directions 0.31`; nothing where neither direction leads to other scores. */
export function planeNote({ x, y, other, cosine }: Slice, name: string): string | undefined {
  if (y === null || ![x, y].some(leads)) return undefined;
  const whom = [x, y].some((axis) => axis.name === "other") && other?.run != null ? [`other is ${other.run}`] : [];
  const told = [...whom, ...(cosine === null ? [] : [`cosine of the directions ${decimal(cosine, 2)}`])];
  return told.length === 0 ? undefined : label(`${name}: ${told.join(", ")}`);
}
