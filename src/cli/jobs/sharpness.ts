import { join } from "node:path";
import type { Attack } from "../../attacks/index.js";
import type { Split } from "../../data/index.js";
import {
  type Crafter,
  crafterOf,
  measureSharpness,
  type Quantity,
  readSharpness,
  type SharpnessOptions,
  type SharpnessRecord,
  sharpnessOptions,
  timeLeft,
  writeSharpness,
} from "../../evaluation/index.js";
import { buildData, buildEvaluation, buildThreat } from "../../recipe/build.js";
import { registries } from "../../recipe/registries.js";
import { type EvaluationRecipe, recipeSchemas } from "../../recipe/schema.js";
import { chosenEpochs, openSearch, type SearchStates, searchCrafter } from "../../recipe/search-states.js";
import { expected, parseOptions, S2apError, UsageError } from "../../util/index.js";
import type { Job, JobContext } from "../jobs.js";
import { named } from "./eval-source.js";
import { thinned } from "./run.js";

export interface SharpnessJobOptions extends Partial<SharpnessOptions> {
  /** A run folder. */
  readonly run: string;
  /** `start,end`, `all`, or numbers. */
  readonly epochs?: string | undefined;
  readonly split: "selection" | "train" | "test";
  /** A name, or YAML with options; default: the search's own. */
  readonly attack?: string | undefined;
  readonly only?: readonly Quantity[] | undefined;
  /** File of the record; default `sharpness.json` in the run folder. */
  readonly out?: string | undefined;
}

export interface SharpnessJobResult {
  /** `stopped`: as asked, with what is measured in the record. */
  readonly status: "done" | "stopped";
  /** Path of the record. */
  readonly out: string;
  readonly record?: SharpnessRecord;
}

/** What makes the adversarial examples: an attack by name, or the search's own. */
export function chosenCrafter(search: SearchStates, text: string | undefined): Crafter {
  if (text === undefined) return searchCrafter(search);
  const { choices } = recipeSchemas(registries);
  const item = parseOptions("--attack", choices.evaluation, named("--attack", text)) as EvaluationRecipe;
  const attack = item.name === "autoattack" ? undefined : buildEvaluation(item, buildThreat(search.recipe));
  if (attack !== undefined) return crafterOf(attack as Attack);
  throw new UsageError(expected("--attack", "a single attack, such as pgd", item.name));
}

interface Opened {
  readonly search: SearchStates;
  readonly split: Split;
  readonly given: SharpnessJobOptions;
}

function measureAll(
  { search, split, given }: Opened,
  out: string,
  { shouldStop, report }: JobContext,
): SharpnessRecord {
  const { run: _run, epochs = "start,end", split: splitName, attack, only, out: _out, ...rest } = given;
  const options = parseOptions("sharpness", sharpnessOptions, rest);
  const found = readSharpness(out);
  const tell = thinned(report);
  const left = timeLeft();
  return measureSharpness(search.states(chosenEpochs("--epochs", epochs, search.kept), options.dtype), {
    ...{ split, splitName, robust: search.loss, crafter: chosenCrafter(search, attack), options, only },
    ...(found && { found: { path: out, record: found } }),
    onRecord: (record) => writeSharpness(out, record),
    onProgress: ({ epoch, quantity, done, of }) =>
      tell({ kind: "measuring", run: "", what: `epoch ${epoch}: ${quantity}`, done, of, secondsLeft: left(done, of) }),
    poll: () => {
      if (shouldStop()) throw new S2apError("sharpness: stopped as asked", { code: "stopped" });
    },
  });
}

/** Measures kept states of a search, or goes on with that. */
export const job: Job<SharpnessJobOptions, SharpnessJobResult> = async (given, context) => {
  using search = openSearch(given.run);
  const splits = await buildData(search.recipe, (text) => context.report({ kind: "message", text }));
  const out = given.out ?? join(given.run, "sharpness.json");
  try {
    const record = measureAll({ search, split: splits[given.split], given }, out, context);
    return { status: "done", out, record };
  } catch (error) {
    if (error instanceof S2apError && error.code === "stopped") return { status: "stopped", out };
    throw error;
  }
};
