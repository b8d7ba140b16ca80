import { z } from "zod";
import { type Registries, recipeSchemas } from "./schema.js";

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
  readonly [keyword: string]: unknown;
}

function convert(schema: z.ZodType): JsonSchema {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, { io: "input" });
  return json as JsonSchema;
}

/** A schema of changes: nothing is required, and `null` takes an entry away. */
function changesOf({ properties, required: _required, anyOf, oneOf, ...rest }: JsonSchema): JsonSchema {
  const choices = anyOf ?? oneOf;
  return {
    ...rest,
    ...(properties && { properties: mapValues(properties, orNull) }),
    ...(choices && { anyOf: choices.map(changesOf) }),
  };
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [changesOf(schema), { type: "null" }] };
}

function mapValues<A, B>(map: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

function without(names: readonly string[] | undefined, ...gone: readonly string[]): string[] {
  return (names ?? []).filter((name) => !gone.includes(name));
}

function named(description: string, changes: string): JsonSchema {
  return { description, type: "object", additionalProperties: { $ref: `#/$defs/${changes}` } };
}

/**
 * JSON schema (draft 2020-12) of recipe files, for editors. It is laxer than our own check, which sees stages and
 * variants merged: there, options may be left to the common ones.
 */
export function recipeJsonSchema(known: Registries): JsonSchema {
  const { recipe, common } = recipeSchemas(known);
  const whole = convert(recipe);
  const shared = mapValues(common, (schema) => changesOf(convert(schema)));
  const stages = whole.properties?.stages as JsonSchema;
  const complete = (stage: JsonSchema): JsonSchema => ({
    ...stage,
    properties: { ...stage.properties, ...shared },
    required: without(stage.required, "loss", "optimizer", "method"),
  });
  const properties: Record<string, JsonSchema> = {
    ...whole.properties,
    ...shared,
    stages: { ...stages, properties: mapValues(stages.properties ?? {}, complete) },
  };
  const variants = named("an experiment: changes by name; all variants go on from one pretrained network", "changes");
  const profiles = named("changes chosen by name on the command line, e.g. --profile tiny", "profile");
  const changes = changesOf({ type: "object", properties, additionalProperties: false });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "s2ap recipe",
    ...whole,
    required: without(whole.required, "name"),
    properties: { ...properties, variants, profiles },
    $defs: { changes, profile: { ...changes, properties: { ...changes.properties, variants } } },
  };
}
