// The attacks of a command line as data.
import { attacks, type Threat } from "../../attacks/index.js";
import { preset } from "../../evaluation/index.js";
import { expected, UsageError } from "../../util/index.js";
import type { EvalOptions } from "./eval-options.js";

export interface Spec {
  readonly name: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/** Options that mean how long an attack goes on. */
const LENGTHS = ["steps", "queries"] as const;

/** An attack with another number of steps, or of queries where it counts those. */
export function withSteps({ name, options }: Spec, steps: number | undefined): Spec {
  if (steps === undefined) return { name, options };
  const known = Object.keys((attacks.get(name).options as { shape?: object }).shape ?? {});
  const length = LENGTHS.find((option) => known.includes(option));
  if (length !== undefined) return { name, options: { ...options, [length]: steps } };
  throw new UsageError(expected("--steps", `an attack with ${LENGTHS.join(" or ")}`, name));
}

/** Which attacks, and under what name. */
export interface List {
  readonly preset: string;
  readonly specs: readonly Spec[];
}

/** The attacks of a preset and those named besides it; only an unchanged preset keeps its name. */
export function listOf(options: EvalOptions, asked: readonly Spec[], threat: Threat): List {
  const base = options.preset === undefined ? [] : preset(options.preset).lists[threat.norm];
  const specs = [...base.map(({ name, options: given = {} }) => ({ name, options: given })), ...asked];
  const changed = options.preset === undefined || asked.length > 0 || options.steps !== undefined;
  return {
    preset: changed ? "custom" : (options.preset as string),
    specs: specs.map((spec) => withSteps(spec, options.steps)),
  };
}
