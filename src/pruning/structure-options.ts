import { z } from "zod";
import { keptCount } from "./kept-count.js";
import { type Pattern, type StructureChoice, structure } from "./structure.js";

const ratio = z.number().gt(0).max(1);
export const keepRatio = ratio.describe("fraction of each layer's weights that is kept, in (0, 1]");

/** What a method with a choice of structure takes: a ratio of groups to keep, or a pattern that says it. */
export const structured = {
  keepRatio: ratio
    .optional()
    .describe("fraction of each layer's weights (or groups) that is kept, in (0, 1]; needed, but not with a pattern"),
  structure,
  pattern: z
    .string()
    .regex(/^[1-9]\d*:[1-9]\d*$/, "to be n:m, such as 2:4")
    .optional()
    .describe("with the structure `n:m`: n weights kept of each m consecutive input channels, such as 2:4"),
};

interface Given {
  readonly keepRatio?: number | undefined;
  readonly structure: StructureChoice["structure"];
  readonly pattern?: string | undefined;
}

/** What no single one of these options can say; for `superRefine` of a method's schema. */
export function checkStructured(given: Given, context: z.core.$RefinementCtx): void {
  const problem = (key: keyof Given, message: string) =>
    context.addIssue({ code: "custom", path: [key], message, input: given[key] });
  const { n, m } = patternOf(given.pattern) ?? { n: 1, m: 2 };
  if (given.structure === "n:m") {
    if (given.pattern === undefined) problem("pattern", "to be n:m, such as 2:4");
    else if (n >= m) problem("pattern", "to keep fewer than all, n < m");
    if (given.keepRatio !== undefined) problem("keepRatio", "to be left out, as the pattern n:m says it");
    return;
  }
  if (given.pattern !== undefined) problem("pattern", "to be left out, as only the structure n:m has one");
  if (given.keepRatio === undefined) problem("keepRatio", "in (0, 1]");
}

export function patternOf(text: string | undefined): Pattern | undefined {
  const [n, m] = (text ?? "").split(":").map(Number);
  return n === undefined || m === undefined ? undefined : { n, m };
}

/** The options as the masks need them. */
export interface Kept {
  readonly choice: StructureChoice;
  /** How many of a layer's groups stay; the pattern of n:m decides for itself. */
  count(name: string, groups: number): number;
}

export function keptOf(given: Given): Kept {
  const { keepRatio: fraction = 1 } = given;
  return {
    choice: { structure: given.structure, pattern: patternOf(given.pattern) },
    count: (_name, groups) => keptCount(groups, fraction),
  };
}
