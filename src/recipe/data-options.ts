import { datasets } from "../data/index.js";
import { checkOptions } from "../util/index.js";
import { applySetting } from "./load.js";
import { locateProblem, RecipeError } from "./problem.js";
import { type Node, plain } from "./tree.js";

/**
 * Options of a data set from `path=value` settings as recipes take them, with its defaults filled in. UsageError for an unknown
 * name; RecipeError with every option that does not fit.
 */
export function dataOptions(name: string, set: readonly string[]): unknown {
  const { options } = datasets.get(name, "data");
  const place = { option: `data ${name}` };
  let tree: Node = { kind: "map", place, path: [], entries: new Map() };
  for (const setting of set) tree = applySetting(tree, setting);
  const checked = checkOptions(options, plain(tree));
  if (checked.ok) return checked.value;
  const missing = (got: unknown) => (got === undefined ? "; give it with --set" : "");
  throw new RecipeError(
    checked.problems.map((problem) => {
      const { place, text } = locateProblem(tree, problem);
      return { place, text: `${text}${missing(problem.got)}` };
    }),
  );
}
