import type { z } from "zod";
import { expected, UsageError } from "./errors.js";
import { listNames, nearest } from "./nearest.js";

/** One thing that is wrong with some options. */
export interface Problem {
  /** A value that does not fit, or a key that is not known. */
  readonly kind: "value" | "key";
  readonly path: readonly (string | number)[];
  /** The words behind the subject: `in (0, 1]`; for a key, the known ones: `(keepRatio, structure)`. */
  readonly phrase: string;
  /** The value, or the name of the unknown key; `undefined` when it is missing. */
  readonly got: unknown;
}

/** Parsed options, or everything that is wrong with them. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Checks options against a schema and finds every problem at once. */
export function checkOptions<S extends z.ZodType>(schema: S, value: unknown): Checked<z.output<S>> {
  const result = schema.safeParse(value, { reportInput: true, error: phrase });
  if (result.success) return { ok: true, value: result.data };
  return { ok: false, problems: result.error.issues.flatMap((issue) => toProblems(issue, [])) };
}

/**
 * Parses the options of a factory; `where` is its name. The first problem becomes a UsageError in the common form,
 * e.g. `hydra: expected keepRatio in (0, 1], got 1.5`; an unknown key lists the known ones and the nearest.
 */
export function parseOptions<S extends z.ZodType>(where: string, schema: S, value: unknown): z.output<S> {
  const checked = checkOptions(schema, value);
  if (checked.ok) return checked.value;
  const first = checked.problems[0] ?? { kind: "value", path: [], phrase: "to be valid options", got: value };
  throw new UsageError(expected(where, expectation(first), first.got), { code: "usage/option" });
}

/** A problem as the words behind `expected`: `keepRatio in (0, 1]`, `a known option (keepRatio; nearest: keepRatio)`. */
export function expectation({ kind, path, phrase }: Problem): string {
  if (kind === "value") return path.length === 0 ? phrase.replace(/^to be /, "") : `${pathText(path)} ${phrase}`;
  const parent = path.slice(0, -1);
  return parent.length === 0 ? `a known option ${phrase}` : `a known option of ${pathText(parent)} ${phrase}`;
}

/** A path as people write it: `stages.search.method`, `evaluation[2].eps`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, "");
}

type RawIssue = Parameters<z.core.$ZodErrorMap>[0];

/** What zod found, as the words that follow the option's name: `in (0, 1]`, `to be a whole number`. */
function phrase(issue: RawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return `to be ${typeName(isWhole(issue.schema) ? "int" : String(issue.expected))}`;
    case "too_small":
    case "too_big":
      return issue.origin === "number" || issue.origin === "int" ? range(issue) : size(issue);
    case "invalid_value":
      return oneOf(issue.values.map(String), issue.input);
    case "not_multiple_of":
      return `to be a multiple of ${issue.divisor}`;
    case "unrecognized_keys":
      return JSON.stringify(keysOf(issue.inst));
    case "invalid_union":
      return issue.discriminator === undefined
        ? undefined
        : oneOf(((issue.options ?? []) as unknown[]).map(String), tagOf(issue));
    default:
      return undefined;
  }
}

/** A text given for a whole number is told that it is no number; what was wanted is the narrower type. */
function isWhole(schema: RawIssue["schema"]): boolean {
  return (schema?._zod.def as { format?: string } | undefined)?.format === "safeint";
}

const TYPES: Readonly<Record<string, string>> = {
  int: "a whole number",
  array: "a list",
  boolean: "true or false",
  record: "a map of names to values",
  object: "a map of options",
  never: "left out",
};

function typeName(type: string): string {
  return TYPES[type] ?? `a ${type}`;
}

function oneOf(names: readonly string[], got: unknown): string {
  const near = typeof got === "string" ? nearest(got, names) : undefined;
  if (names.length === 1) return `to be ${names[0]}`;
  return `to be one of ${names.join(", ")}${near === undefined ? "" : ` (nearest: ${near})`}`;
}

function tagOf(issue: RawIssue): unknown {
  const input = issue.input as Record<string, unknown> | undefined;
  return input?.[(issue as { discriminator?: string }).discriminator ?? ""];
}

interface Bound {
  readonly value: number;
  readonly inclusive: boolean;
}

/** The whole interval, not only the end that was crossed; zod keeps the other end in the schema's checks. */
function range(issue: RawIssue): string {
  const checks: readonly z.core.$ZodCheck[] = issue.schema?._zod.def.checks ?? [];
  const bound = (kind: string): Bound | undefined =>
    checks.map((c) => c._zod.def as unknown as Bound & { check: string }).find((def) => def.check === kind);
  const low = bound("greater_than");
  const high = bound("less_than");
  if (low && high) return `in ${low.inclusive ? "[" : "("}${low.value}, ${high.value}${high.inclusive ? "]" : ")"}`;
  if (low) return `${low.inclusive ? ">=" : ">"} ${low.value}`;
  if (high) return `${high.inclusive ? "<=" : "<"} ${high.value}`;
  return "within its range";
}

function size(issue: RawIssue & { code: "too_small" | "too_big" }): string {
  const unit = issue.origin === "string" ? "character" : "item";
  const limit = issue.code === "too_small" ? Number(issue.minimum) : Number(issue.maximum);
  return `to have at ${issue.code === "too_small" ? "least" : "most"} ${limit} ${unit}${limit === 1 ? "" : "s"}`;
}

function keysOf(schema: unknown): string[] {
  const shape = (schema as { _zod?: { def?: { shape?: Record<string, unknown> } } } | undefined)?._zod?.def?.shape;
  return Object.keys(shape ?? {});
}

/** Most issues are one problem; unknown keys are one each, and a union shows the alternative that came closest. */
function toProblems(issue: z.core.$ZodIssue, prefix: readonly PropertyKey[]): Problem[] {
  const path = [...prefix, ...issue.path] as (string | number)[];
  if (issue.code === "unrecognized_keys") {
    const known = JSON.parse(issue.message) as string[];
    return issue.keys.map((key) => ({ kind: "key", path: [...path, key], phrase: listNames(key, known), got: key }));
  }
  if (issue.code === "invalid_union" && issue.errors.length > 0) return fromUnion(issue, path);
  // The issue of a missing or unknown tag carries the whole object; what matters is the tag.
  const tagged = issue.code === "invalid_union" && issue.discriminator !== undefined;
  const got = tagged ? (issue.input as Record<string, unknown>)[issue.discriminator as string] : issue.input;
  return [{ kind: "value", path, phrase: issue.message, got }];
}

function fromUnion(issue: z.core.$ZodIssue & { code: "invalid_union" }, path: (string | number)[]): Problem[] {
  const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(...issues.map((i) => i.path.length));
  const fitting = issue.errors.filter(
    (branch) => !branch.some((i) => i.code === "invalid_type" && i.path.length === 0),
  );
  if (fitting.length > 0) {
    const closest = fitting.reduce((best, branch) => (depth(branch) > depth(best) ? branch : best));
    return closest.flatMap((inner) => toProblems(inner, path));
  }
  const words = issue.errors.flatMap((branch) => branch.map((i) => i.message.replace(/^to be /, "")));
  return [{ kind: "value", path, phrase: `to be ${[...new Set(words)].join(" or ")}`, got: issue.input }];
}
