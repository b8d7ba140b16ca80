import { z } from "zod";
import { COMMON, type Registries, recipeSchemas } from "./schema.js";

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly $ref?: string;
  readonly [keyword: string]: unknown;
}

function mapValues<A, B>(map: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

function without(names: readonly string[] | undefined, ...gone: readonly string[]): string[] {
  return (names ?? []).filter((name) => !gone.includes(name));
}

const refTo = (name: string): JsonSchema => ({ $ref: `#/$defs/${name}` });

/** Converts a zod schema; inside it, the parts that have a name become references. */
function convert(schema: z.ZodType, parts: Readonly<Record<string, z.ZodType>>): JsonSchema {
  const names = new Map<unknown, string>(Object.entries(parts).map(([name, part]) => [part, name]));
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io: "input",
    override({ zodSchema, jsonSchema }) {
      const name = names.get(zodSchema);
      if (name === undefined || Object.is(zodSchema, schema)) return;
      for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
      Object.assign(jsonSchema, refTo(name));
    },
  });
  return json as JsonSchema;
}

/** A schema of changes: nothing is required, and `null` takes an entry away. */
function changesOf({ properties, required: _required, anyOf, oneOf, $ref, ...rest }: JsonSchema): JsonSchema {
  const choices = anyOf ?? oneOf;
  return {
    ...rest,
    ...($ref !== undefined && { $ref: `${$ref}.changes` }),
    ...(properties && { properties: mapValues(properties, orNull) }),
    ...(choices && { anyOf: choices.map(changesOf) }),
  };
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [changesOf(schema), { type: "null" }] };
}

function named(description: string, values: JsonSchema): JsonSchema {
  return { description, type: "object", additionalProperties: values };
}

/** The stages as a file may have them: what is common, or brought by variants, need not be there. */
function looseStages(stages: JsonSchema): JsonSchema {
  const common = Object.fromEntries(COMMON.map((key) => [key, refTo(`${key}.changes`)]));
  const loose = (stage: JsonSchema): JsonSchema => ({
    ...stage,
    properties: { ...stage.properties, ...common },
    required: without(stage.required, ...COMMON, "method"),
  });
  return { ...stages, properties: mapValues(stages.properties ?? {}, loose) };
}

/**
 * JSON schema (draft 2020-12) of recipe files, for editors. It is laxer than our own check, which sees stages and
 * variants merged.
 */
export function recipeJsonSchema(known: Registries): JsonSchema {
  const { recipe, choices } = recipeSchemas(known);
  const whole = convert(recipe, choices);
  const parts = mapValues(choices, (part) => convert(part, choices));
  const partChanges = Object.entries(parts).map(([name, part]) => [`${name}.changes`, changesOf(part)]);
  const properties: Record<string, JsonSchema> = {
    ...whole.properties,
    ...Object.fromEntries(COMMON.map((key) => [key, refTo(`${key}.changes`)])),
    stages: looseStages(whole.properties?.stages as JsonSchema),
  };
  const variants = named("an experiment: changes by name; all go on from one pretrained network", refTo("changes"));
  const profiles = named("changes chosen by name on the command line, e.g. --profile tiny", refTo("profile"));
  const changed = { ...whole.properties, ...Object.fromEntries(COMMON.map((key) => [key, refTo(key)])) };
  const changes = changesOf({ type: "object", properties: changed, additionalProperties: false });
  const profileVariants = named("changes to variants", { anyOf: [refTo("changes"), { type: "null" }] });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "s2ap recipe",
    ...whole,
    required: without(whole.required, "name"),
    properties: { ...properties, variants, profiles },
    $defs: {
      ...parts,
      ...Object.fromEntries(partChanges),
      changes,
      profile: { ...changes, properties: { ...changes.properties, variants: profileVariants } },
    },
  };
}
