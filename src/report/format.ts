/** Bounds of a 95 % interval, as shares. */
export type Interval = readonly [lo: number, hi: number];

/** What stands where a number is missing. */
export const missing = "–";

const finite = (value: number | null | undefined): value is number =>
  typeof value === "number" && Number.isFinite(value);

/** `0.3123` -> `31.2`; the unit stands in the heading. */
export function percent(value: number | null | undefined, digits = 1): string {
  return finite(value) ? decimal(value * 100, digits) : missing;
}

/** `[0.283, 0.341]` -> `28.3 to 34.1`. */
export function percentInterval(interval: Interval | null): string {
  return interval === null ? missing : `${percent(interval[0])} to ${percent(interval[1])}`;
}

/** Fixed digits with a real minus sign and no negative zero. */
export function decimal(value: number | null | undefined, digits: number): string {
  if (!finite(value)) return missing;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** Three significant digits; exponents below 1e-4 and from 1e6 on. */
export function significant(value: number | null | undefined, digits = 3): string {
  if (!finite(value)) return missing;
  if (value === 0) return "0";
  const size = Math.abs(Number(value.toPrecision(digits)));
  if (size < 1e-4 || size >= 1e6)
    return value
      .toExponential(digits - 1)
      .replace("+", "")
      .replace(/-/g, "−");
  const magnitude = Math.floor(Math.log10(size));
  return decimal(value, Math.max(0, digits - 1 - magnitude));
}

/** `1234567` -> `1,234,567`. */
export function count(value: number | null | undefined): string {
  return finite(value) ? Math.round(value).toLocaleString("en-GB") : missing;
}

/** Whole seconds; one digit below ten. */
export function seconds(value: number | null | undefined): string {
  if (!finite(value)) return missing;
  return value < 10 ? decimal(value, 1) : count(value);
}

const stageNames: Readonly<Record<string, string>> = {
  pretrain: "Pretraining",
  search: "Mask search",
  finetune: "Finetuning",
  evaluation: "Evaluation",
};

/** The stages in the order they run; any other key follows by name. */
export function stageOrder(names: Iterable<string>): string[] {
  const known = Object.keys(stageNames);
  const rank = (name: string) => (known.includes(name) ? known.indexOf(name) : known.length);
  return [...new Set(names)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

export function stageTitle(stage: string): string {
  return Object.hasOwn(stageNames, stage) ? (stageNames[stage] ?? stage) : stage;
}

/** `[a, b, c]` -> `a, b and c`. */
export function listing(words: readonly string[]): string {
  if (words.length < 2) return words.join("");
  return `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** A name on one line, without control characters, at most `limit` characters. */
export function label(text: string, limit = 200): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed.
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, " ").trim();
  const points = [...line];
  return points.length <= limit ? line : `${points.slice(0, limit - 1).join("")}…`;
}
