import type { z } from "zod";
import { expected, UsageError } from "./errors.js";
import { unknownName } from "./nearest.js";

/** A registered factory: what a recipe's `name:` picks. `C` is what it is built from besides its options. */
export interface Entry<O extends z.ZodType, C, T> {
  /** One line for `s2ap list`. */
  readonly summary: string;
  /** Schema of the options, without `name`. */
  readonly options: O;
  create(options: z.output<O>, context: C): T;
}

/** An entry whose options are not known by type, as a registry holds it. */
export type AnyEntry<C, T> = Entry<z.ZodType, C, T>;

/** Lets TypeScript infer a row's option type from its schema. */
export function entry<O extends z.ZodType, C, T>(row: Entry<O, C, T>): Entry<O, C, T> {
  return row;
}

/** Named things of one kind, in order of registration. */
export interface Registry<T> {
  readonly kind: string;
  /** Adds a row; a name that is taken is a UsageError, so that no plugin replaces a built-in silently. */
  register(name: string, row: T): void;
  /** The row of a name; UsageError with the known names and the nearest one when there is none. */
  get(name: string, where?: string): T;
  has(name: string): boolean;
  names(): string[];
  entries(): [string, T][];
}

/** A registry of `kind` (used in error texts: "attack", "loss", ...) that starts with these rows. */
export function registry<T>(kind: string, rows: Readonly<Record<string, T>>): Registry<T> {
  const table = new Map<string, T>(Object.entries(rows));
  return {
    kind,
    register(name, row) {
      if (table.has(name)) {
        throw new UsageError(expected("register", `a new ${kind} name`, name), { code: "usage/duplicate-name" });
      }
      table.set(name, row);
    },
    get(name, where = kind) {
      const row = table.get(name);
      if (row === undefined) throw unknownName(where, kind, name, [...table.keys()]);
      return row;
    },
    has: (name) => table.has(name),
    names: () => [...table.keys()],
    entries: () => [...table],
  };
}
