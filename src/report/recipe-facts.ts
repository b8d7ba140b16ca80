import { z } from "zod";
import { text } from "./json.js";

const named = z.object({ name: text }).nullable().catch(null);
const schema = z.object({
  data: named,
  model: z
    .object({ arch: text, width: z.number().nullable().catch(null) })
    .nullable()
    .catch(null),
  stages: z
    .object({ search: z.looseObject({ method: named, gradient: named }).nullable().catch(null) })
    .nullable()
    .catch(null),
});

/** What a table says of a run's recipe. */
export interface Facts {
  readonly data: string | null;
  readonly network: string | null;
  readonly method: string | null;
  readonly gradient: string | null;
  /** The gradient's own. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The recipe without its name and its gradient. */
  readonly rest: unknown;
}

interface Search {
  readonly gradient?: { readonly name?: unknown } | null;
}

/** Undefined where nothing is searched. */
export function recipeFacts(recipe: unknown): Facts | undefined {
  const found = schema.safeParse(recipe);
  const search = found.success ? found.data.stages?.search : undefined;
  if (!found.success || !search) return undefined;
  const { data, model } = found.data;
  const { name: _, stages, ...others } = recipe as { name?: unknown; stages: { search: Search } };
  const { gradient, ...rest } = stages.search;
  const { name: _own, ...options } = gradient ?? {};
  const width = model?.width == null ? "" : `, width ${model.width}`;
  return {
    data: data?.name ?? null,
    network: model?.arch == null ? null : `${model.arch}${width}`,
    method: search.method?.name ?? null,
    gradient: search.gradient?.name ?? null,
    options,
    rest: { ...others, stages: { ...stages, search: rest } },
  };
}
