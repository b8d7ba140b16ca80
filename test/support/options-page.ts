import { z } from "zod";
import { registries } from "../../src/recipe/registries.js";

/** What JSON schema says of one option. */
interface Option {
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  /** Of a record. */
  readonly properties?: Readonly<Record<string, Option>>;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  /** The one value there is. */
  readonly const?: unknown;
  /** Values of several kinds. */
  readonly anyOf?: readonly Option[];
  /** Records that are told apart by their name. */
  readonly oneOf?: readonly { readonly properties?: { readonly name?: { readonly const?: string } } }[];
}

/** The kinds of things a recipe can name, by the heading of their section. */
export const kinds = {
  Models: registries.models,
  "Data sets": registries.datasets,
  Attacks: registries.attacks,
  Losses: registries.losses,
  Methods: registries.methods,
  Gradients: registries.gradients,
  "Weight gradients": registries.weightGradients,
  Optimizers: registries.optimizers,
  Schedules: registries.schedules,
} as const;

function interval({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Option): string {
  const low = exclusiveMinimum ?? minimum;
  const high = exclusiveMaximum ?? (maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum);
  if (low === undefined) return high === undefined ? "" : ` ${exclusiveMaximum === undefined ? "<=" : "<"} ${high}`;
  if (high === undefined) return ` ${exclusiveMinimum === undefined ? ">=" : ">"} ${low}`;
  return ` in ${exclusiveMinimum === undefined ? "[" : "("}${low}, ${high}${exclusiveMaximum === undefined ? "]" : ")"}`;
}

const code = (value: unknown) => `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

function values(option: Option): string {
  if (option.anyOf) return option.anyOf.map(values).join(", ");
  if (option.const !== undefined) return code(option.const);
  if (option.properties) {
    const fields = Object.entries(option.properties).map(([name, field]) => `${code(name)} (${meaning(field)})`);
    return `record of ${fields.join(", ")}`;
  }
  if (option.enum) return option.enum.map(code).join(", ");
  const kinds = option.oneOf?.flatMap(({ properties }) => properties?.name?.const ?? []) ?? [];
  if (kinds.length > 0) return `record whose \`name\` is ${kinds.map(code).join(", ")}`;
  if (Array.isArray(option.type)) return "a ratio such as `8/255`";
  if (option.type === "boolean") return "`true`, `false`";
  if (option.type === "integer") return `whole number${interval(option)}`;
  if (option.type === "number") return `number${interval(option)}`;
  return option.type === "array" ? "list of numbers" : "text";
}

/** The description without the default, which has a column of its own. */
function meaning(option: Option): string {
  const text = option.description ?? "";
  const bare =
    option.default === undefined
      ? text
      : text.replace(/(^|; )default( [^;]*)?(; |$)/, (_, before, _value, after) => (before && after ? "; " : ""));
  return bare.replaceAll("|", "\\|");
}

function tableOf(schema: z.ZodType): string {
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" }) as {
    readonly properties?: Readonly<Record<string, Option>>;
    readonly required?: readonly string[];
  };
  const rows = Object.entries(properties).map(([name, option]) => {
    const fallback = required.includes(name) ? "needed" : option.default === undefined ? "–" : code(option.default);
    return `| \`${name}\` | ${values(option)} | ${fallback} | ${meaning(option)} |`;
  });
  if (rows.length === 0) return "No options.";
  return ["| option | values | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** docs/options.md: everything that has a name, with its options, from the schemas that check them. */
export function optionsPage(): string {
  const sections = Object.entries(kinds).map(([title, rows]) => {
    const entries = rows.entries().map(([name, { summary, options }]) => {
      return `### \`${name}\`\n\n${summary[0]?.toUpperCase()}${summary.slice(1).replaceAll("|", "\\|")}.\n\n${tableOf(options)}`;
    });
    return [`## ${title}`, ...entries].join("\n\n");
  });
  const head = `# Options

Everything a recipe can name, from the schemas that check it. \`s2ap list --options\` prints the same, plugins included. This page is
written by its test (\`npx vitest run test/docs.test.ts -u\`); [recipes](recipes.md) says where in a recipe each name stands.`;
  return `${[head, ...sections].join("\n\n")}\n`;
}
