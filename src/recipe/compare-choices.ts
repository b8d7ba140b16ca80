// `--grid KEY=v1,v2` as a choice of a grid. A key that names a factory (`stages.search.method.name`) picks another one, and
// takes along those of the recipe's options that the other one has too: HARP for HYDRA at the same keepRatio.
import { z } from "zod";
import { expected, UsageError } from "../util/index.js";
import { atPath, type Over } from "./grid.js";
import type { Described, Registries } from "./schema.js";
import { child, type Node, plain } from "./tree.js";
import { readValue } from "./yaml.js";

/** One choice of a comparison: parts of a recipe by label. */
export interface Choice {
  readonly key: string;
  readonly values: Readonly<Record<string, Over>>;
  /** Of a choice among numbers, by label. */
  readonly numbers: Readonly<Record<string, number>>;
}

type Scalar = string | number | boolean;
type Rows = Extract<keyof Registries, "methods" | "gradients" | "weightGradients" | "losses" | "optimizers">;

/** Where a recipe names a factory, among which, and what it adds to the factory's own options. */
const FACTORIES: readonly (readonly [at: RegExp, rows: Rows, extra?: string])[] = [
  [/^stages\.search\.method$/, "methods"],
  [/^stages\.search\.gradient$/, "gradients"],
  [/^stages\.(pretrain|finetune)\.weightGradient$/, "weightGradients"],
  [/^(stages\.\w+\.)?loss$/, "losses", "attack"],
  [/^(stages\.\w+\.)?optimizer$/, "optimizers", "schedule"],
];

const factoryAt = (path: string) => FACTORIES.find(([at]) => at.test(path));

/** `stages.finetune.awp`: whether that stage perturbs its weights. */
const SWITCH = /^(stages\.(?:pretrain|finetune))\.(awp|sam|asam)$/;

const word = (value: Scalar) => String(value).replace(/[^\w.]/g, "_");

function readValues(text: string): { readonly key: string; readonly values: Scalar[] } {
  const [, key, list] = /^([\w-]+(?:\.[\w-]+)*)=(.+)$/s.exec(text) ?? [];
  const form = "key=value,value, e.g. stages.search.method.name=hydra,harp";
  if (key === undefined || list === undefined) throw new UsageError(expected("--grid", form, text));
  const read = plain(readValue(`[${list}]`, `--grid ${text}`, [])) as unknown[];
  const scalars = read.filter((v): v is Scalar => ["string", "number", "boolean"].includes(typeof v));
  if (scalars.length < read.length || read.length === 0) {
    throw new UsageError(expected(`--grid ${key}`, "names, numbers or on,off", list));
  }
  const switches = scalars.every((value) => value === "on" || value === "off");
  return { key, values: switches ? scalars.map((value) => value === "on") : scalars };
}

/** What a part of the recipe says, with what is common to all stages beneath a stage's own. */
function written(tree: Node, path: string): Readonly<Record<string, unknown>> {
  const at = (parts: readonly string[]) => {
    const node = parts.reduce<Node | undefined>((inner, part) => child(inner, part), tree);
    return node?.kind === "map" ? (plain(node) as Record<string, unknown>) : {};
  };
  const parts = path.split(".");
  return { ...at(parts.slice(-1)), ...at(parts) };
}

/** Options of what the recipe names at a path: as they are where another factory has them too, else null, which removes. */
function carried(tree: Node, path: string, name: string, registries: Registries): Record<string, unknown> {
  const [, rows, extra] = factoryAt(path) ?? [];
  if (rows === undefined || !registries[rows].has(name)) return {};
  const row: Described = registries[rows].get(name);
  const known = row.options instanceof z.ZodObject ? Object.keys(row.options.shape) : [];
  if (extra !== undefined && row.attack !== "none") known.push(extra);
  const options = Object.entries(written(tree, path)).filter(([key]) => key !== "name");
  return Object.fromEntries(options.map(([key, value]) => [key, known.includes(key) ? value : null]));
}

/** The path of the factory that a key picks, where it does. */
function picks(key: string, values: readonly Scalar[]): string | undefined {
  const path = key.endsWith(".name") ? key.slice(0, -".name".length) : key;
  return factoryAt(path) !== undefined && values.every((value) => typeof value === "string") ? path : undefined;
}

function switched(
  key: string,
  values: readonly Scalar[],
  partOf: (path: string, name: string) => Over,
): Choice | undefined {
  const [, stage = "", name = ""] = SWITCH.exec(key) ?? [];
  if (name === "") return undefined;
  if (!values.every((value) => typeof value === "boolean")) {
    const cure = `on,off (or the key ${stage}.weightGradient.name=plain,${name})`;
    throw new UsageError(expected(`--grid ${key}`, cure, values.join(",")));
  }
  const part = (on: Scalar) => partOf(`${stage}.weightGradient`, on === true ? name : "plain");
  const named = values.map((on) => [`${name}_${on === true ? "on" : "off"}`, part(on)] as const);
  return { key, values: Object.fromEntries(named), numbers: {} };
}

/** One `--grid` of a recipe's tree. Throws UsageError where it cannot be read. */
export function choiceOf(text: string, tree: Node, registries: Registries): Choice {
  const { key, values } = readValues(text);
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw new UsageError(expected(`--grid ${key}`, "values that are all different", twice));
  const partOf = (path: string, name: string) => atPath(path, { name, ...carried(tree, path, name, registries) });
  const found = switched(key, values, partOf);
  if (found !== undefined) return found;
  const path = picks(key, values);
  const short = key.split(".").at(-1);
  const labelled = values.map((value): readonly [string, Over, Scalar] => {
    if (path !== undefined) return [word(value), partOf(path, String(value)), value];
    if (typeof value === "string") return [word(value), atPath(key, value), value];
    const shown = typeof value === "boolean" ? (value ? "on" : "off") : word(value);
    return [`${short}_${shown}`, atPath(key, value), value];
  });
  return {
    key: path === undefined ? key : `${path}.name`,
    values: Object.fromEntries(labelled.map(([label, over]) => [label, over])),
    numbers: Object.fromEntries(labelled.flatMap(([label, , v]) => (typeof v === "number" ? [[label, v]] : []))),
  };
}

/** `3` as seeds 1 to 3, `4,7` as these. */
export function seedsOf(text: string): number[] {
  const listed = /^\d{1,15}(,\d{1,15})*$/.test(text) ? text.split(",").map(Number) : [];
  const [count = 0] = listed;
  const seeds = listed.length > 1 ? listed : Array.from({ length: Math.min(count, 1000) }, (_, i) => i + 1);
  if (seeds.length > 0 && new Set(seeds).size === seeds.length) return seeds;
  throw new UsageError(expected("--seeds", "a number of seeds, or different seeds such as 1,2,3", text));
}
