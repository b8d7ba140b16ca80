import type { RecipeOptions, RecipeResult } from "../jobs/recipe.js";
import { type Cli, collect, command, group, printJson } from "./context.js";

const SET = ["--set <path=value>", "change a value of the recipe; may be repeated"] as const;
const PROFILE = ["--profile <name>", "lay one of the recipe's profiles over it"] as const;

/** `s2ap recipe check|show|schema`. */
export function recipeCommand(cli: Cli) {
  return group("recipe", "Check recipes and show what they mean.", [
    "s2ap recipe check recipes/quickstart.yaml",
    "s2ap recipe show recipes/quickstart.yaml --set seed=2",
    "s2ap recipe schema > recipe.schema.json",
  ])
    .addCommand(checkCommand(cli))
    .addCommand(showCommand(cli))
    .addCommand(schemaCommand(cli));
}

function ask(cli: Cli, options: RecipeOptions, plugins: readonly string[]): Promise<RecipeResult> {
  return cli.work("recipe", options, { plugins }) as Promise<RecipeResult>;
}

function checkCommand(cli: Cli) {
  return command("check", "Check a recipe and all its profiles; every error is told with its line and column.", [
    "s2ap recipe check recipes/quickstart.yaml",
    "s2ap recipe check my.yaml --set stages.search.method.keepRatio=0.05",
  ])
    .argument("<recipe>", "YAML file")
    .option(...SET, collect)
    .option(...PROFILE)
    .action(async (path, { set = [], profile, plugin = [], json }) => {
      const { recipe, profiles } = await ask(cli, { what: "check", path, set, profile }, plugin);
      if (json === true) return printJson(cli.terminal, { ok: true, name: recipe?.name, profiles });
      const also = profile === undefined && profiles.length > 0 ? `, with its profiles (${profiles.join(", ")})` : "";
      return cli.terminal.out(`${path}: good${also}`);
    });
}

function showCommand(cli: Cli) {
  return command("show", "Print a recipe with every default filled in; what is printed is a recipe again.", [
    "s2ap recipe show recipes/quickstart.yaml",
    "s2ap recipe show recipes/quickstart.yaml --profile tiny",
    "s2ap recipe show my.yaml --set loss.beta=3 --json",
  ])
    .argument("<recipe>", "YAML file")
    .option(...SET, collect)
    .option(...PROFILE)
    .action(async (path, { set = [], profile, plugin = [], json }) => {
      const { recipe, text } = await ask(cli, { what: "show", path, set, profile }, plugin);
      if (json === true) printJson(cli.terminal, recipe);
      else cli.terminal.out(text.trimEnd());
    });
}

function schemaCommand(cli: Cli) {
  return command("schema", "Print the JSON schema of recipes, for editors.", [
    "s2ap recipe schema > recipe.schema.json",
    "s2ap recipe schema --plugin ./my-attack.js",
  ]).action(async ({ plugin = [] }) => {
    const { text } = await ask(cli, { what: "schema", path: "", set: [] }, plugin);
    cli.terminal.out(text);
  });
}
