import { expected, UsageError } from "../util/index.js";

/** A question about robust accuracy. */
export interface Question {
  readonly text: string;
  readonly sign: "<" | ">";
  /** In [0,1]. */
  readonly value: number;
}

const FORM = /^\s*robust\s*([<>])\s*(\d+(?:\.\d*)?|\.\d+)\s*(%?)\s*$/;

/** Reads `robust < 0.40` or `robust > 40 %`. */
export function parseUntil(text: string): Question {
  const [, sign, number, percent] = FORM.exec(text) ?? [];
  const value = number === undefined ? Number.NaN : Number(number) / (percent === "%" ? 100 : 1);
  if (!(value >= 0 && value <= 1)) {
    const what = 'a question such as "robust < 0.40" or "robust > 40 %", with an accuracy in [0, 1]';
    throw new UsageError(expected("until", what, text), { code: "usage/option" });
  }
  return { text: text.trim(), sign: sign as "<" | ">", value };
}

/**
 * The answer, as soon as there is one: accuracy only falls, so an upper bound below the value decides both questions. At
 * the end the bound is the accuracy.
 */
export function answer({ sign, value }: Question, bound: number, ended: boolean): boolean | undefined {
  if (sign === "<") return bound < value ? true : ended ? false : undefined;
  return bound <= value ? false : ended ? true : undefined;
}
