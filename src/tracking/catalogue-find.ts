// Conditions on runs: `robust > 0.3 and method = hydra or tag = best`. `and` binds tighter than `or`; no brackets.
import { expected, UsageError, unknownName } from "../util/index.js";
import type { CatalogueEntry } from "./catalogue-entry.js";

const NUMBERS = ["seed", "sparsity", "clean", "robust", "examples", "seconds", "epoch"] as const;
const TEXTS = [
  ...["folder", "name", "state", "created", "model", "data", "method", "gradient", "attack", "eps", "stage"],
  "tag",
] as const;
const OPERATORS = ["=", "!=", "<", "<=", ">", ">=", "~"] as const;
type Operator = (typeof OPERATORS)[number];

/** Fields that a condition may name. */
export const FIELDS: readonly string[] = [...NUMBERS, ...TEXTS];

export type Condition = (entry: CatalogueEntry) => boolean;

const ORDER: Readonly<Record<Operator, (order: number) => boolean>> = {
  "=": (order) => order === 0,
  "!=": (order) => order !== 0,
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
  "~": () => false,
};

const compare = (a: number | string, b: number | string) => (a < b ? -1 : a > b ? 1 : 0);

function bad(what: string, got: unknown): UsageError {
  const example = `for example 'robust > 0.3 and method = hydra'`;
  return new UsageError(`${expected("find", what, got)}; ${example}`);
}

interface Token {
  readonly text: string;
  /** It was in quotes: never an operator or `and`. */
  readonly quoted: boolean;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  const pattern = /\s*(?:"([^"]*)"|'([^']*)'|(<=|>=|!=|[=<>~])|([^\s=<>~!"']+))\s*/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) throw bad("a condition", text.slice(at));
    const quoted = match[1] ?? match[2];
    found.push({ text: quoted ?? match[3] ?? match[4] ?? "", quoted: quoted !== undefined });
  }
  return found;
}

function numberCondition(field: (typeof NUMBERS)[number], operator: Operator, text: string): Condition {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw bad(`a number to compare ${field} with`, text);
  if (operator === "~") throw bad(`=, !=, <, <=, > or >= after ${field}`, operator);
  return (entry) => {
    const own = entry[field];
    return own !== null && ORDER[operator](compare(own, value));
  };
}

function textCondition(field: string, operator: Operator, value: string): Condition {
  const holds = (own: string) =>
    operator === "~" ? own.toLowerCase().includes(value.toLowerCase()) : ORDER[operator](compare(own, value));
  if (field === "tag") {
    if (operator === "!=") return ({ tags }) => !tags.includes(value);
    return ({ tags }) => tags.some(holds);
  }
  return (entry) => {
    const own = entry[field as keyof CatalogueEntry];
    return typeof own === "string" && holds(own);
  };
}

function comparison(parts: readonly Token[]): Condition {
  const [field, operator, value, more] = parts;
  if (field === undefined) throw bad("a field, an operator and a value", undefined);
  if (!FIELDS.includes(field.text)) throw unknownName("find", "field", field.text, FIELDS);
  const known = OPERATORS.find((name) => name === operator?.text && operator.quoted === false);
  if (known === undefined) throw bad(`one of ${OPERATORS.join(" ")} after ${field.text}`, operator?.text);
  if (value === undefined) throw bad(`a value after ${field.text} ${known}`, undefined);
  if (more !== undefined) throw bad(`"and" or "or" after ${value.text}`, more.text);
  const number = NUMBERS.find((name) => name === field.text);
  return number === undefined
    ? textCondition(field.text, known, value.text)
    : numberCondition(number, known, value.text);
}

function split(parts: readonly Token[], word: string): Token[][] {
  const groups: Token[][] = [[]];
  for (const token of parts) {
    if (!token.quoted && token.text.toLowerCase() === word) groups.push([]);
    else groups.at(-1)?.push(token);
  }
  return groups;
}

/** The condition that a text says; UsageError where it says none. What a run does not know never matches. */
export function parseCondition(text: string): Condition {
  const any = split(tokens(text), "or").map((group) => split(group, "and").map(comparison));
  return (entry) => any.some((all) => all.every((condition) => condition(entry)));
}

/** Orders runs by a field: numbers from the largest, texts from the first; what has no value comes last. */
export function sortedBy(entries: readonly CatalogueEntry[], field: string): CatalogueEntry[] {
  const known = FIELDS.filter((name) => name !== "tag");
  if (!known.includes(field)) throw unknownName("--sort", "field", field, known);
  const of = (entry: CatalogueEntry) => entry[field as keyof CatalogueEntry] as string | number | null;
  // The newest first, as among numbers.
  const down = field === "created" || (NUMBERS as readonly string[]).includes(field);
  return [...entries].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return Number(x === null) - Number(y === null);
    return down ? compare(y, x) : compare(x, y);
  });
}
