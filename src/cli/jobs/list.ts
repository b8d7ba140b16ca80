import { registries } from "../../recipe/registries.js";
import { unknownName } from "../../util/index.js";
import type { Job } from "../jobs.js";

const KINDS = {
  models: registries.models,
  data: registries.datasets,
  attacks: registries.attacks,
  losses: registries.losses,
  methods: registries.methods,
  gradients: registries.gradients,
  weightGradients: registries.weightGradients,
  optimizers: registries.optimizers,
  schedules: registries.schedules,
} as const;

export interface ListOptions {
  /** One of `models`, `data`, ...; default all. */
  readonly kind?: string | undefined;
}

export interface Listed {
  readonly kind: string;
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

/** What recipes can name. */
export const job: Job<ListOptions, Listed[]> = ({ kind }) => {
  const kinds = Object.keys(KINDS);
  if (kind !== undefined && !kinds.includes(kind)) throw unknownName("list", "kind", kind, kinds);
  return Object.entries(KINDS)
    .filter(([name]) => kind === undefined || kind === name)
    .flatMap(([name, rows]) =>
      rows
        .entries()
        .map(([row, { summary, options }]) => ({ kind: name, name: row, summary, options: optionsOf(options) })),
    );
};

function optionsOf(schema: unknown): Listed["options"] {
  const shape = (schema as { shape?: Record<string, { description?: string }> }).shape ?? {};
  return Object.entries(shape).map(([name, option]) => ({ name, description: option.description ?? "" }));
}
