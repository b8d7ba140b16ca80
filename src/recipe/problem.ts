import { expectation, type Problem, show, UsageError } from "../util/index.js";
import { locate, type Node, type Place, placeText } from "./tree.js";

/** One thing that is wrong with a recipe, and where. */
export interface RecipeProblem {
  readonly place: Place;
  /** `expected stages.search.epochs >= 1, got 0` */
  readonly text: string;
}

/** A recipe that cannot be used; lists every problem, a line each. */
export class RecipeError extends UsageError {
  readonly problems: readonly RecipeProblem[];

  constructor(problems: readonly RecipeProblem[]) {
    const lines = problems.map(({ place, text }) => `${placeText(place)}: ${text}`);
    if (lines.length > 1) lines.push(`${lines.length} problems`);
    super(lines.join("\n"), { code: "usage/recipe" });
    this.problems = problems;
  }
}

/** A problem found in a merged tree, told in terms of the document: its place, and its path as written there. */
export function locateProblem(root: Node, problem: Problem): RecipeProblem {
  const { place, path } = locate(root, problem.path, problem.kind === "key");
  return { place, text: `expected ${expectation({ ...problem, path })}, got ${show(problem.got)}` };
}

/** Without repetitions: what is shared by stages and variants is checked in each of them. */
export function distinct(problems: readonly RecipeProblem[]): RecipeProblem[] {
  const seen = new Map(problems.map((problem) => [`${placeText(problem.place)} ${problem.text}`, problem]));
  return [...seen.values()].sort(byPlace);
}

function byPlace(a: RecipeProblem, b: RecipeProblem): number {
  if ("option" in a.place || "option" in b.place) return "option" in a.place ? 1 : -1;
  return a.place.line - b.place.line || a.place.column - b.place.column;
}
