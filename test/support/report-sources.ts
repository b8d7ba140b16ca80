import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import { wilson } from "../../src/util/interval.js";

/** A number of `report.json`. */
export interface SourcedCell {
  readonly text: string;
  readonly value?: number;
  readonly low?: number;
  readonly high?: number;
  readonly how: string;
  readonly times?: number;
  readonly from: readonly string[];
}

export interface SourcedTable {
  readonly id: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | SourcedCell)[])[];
}

/** What a JSON pointer points to. */
function follow(json: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((value, step) => (value as Record<string, unknown>)?.[step], json);
}

/** The packed masks of a file, all layers one behind the other, as text. */
function bitsOf(file: string): string {
  const { tensors } = readSafetensors(file);
  const bytes = [...tensors.keys()].sort().flatMap((name) => [...(tensors.get(name)?.data ?? [])]);
  return bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
}

function jaccard(a: string, b: string): number {
  const [both, either] = [(x: boolean, y: boolean) => x && y, (x: boolean, y: boolean) => x || y].map(
    (of) => [...a].filter((bit, i) => of(bit === "1", b[i] === "1")).length,
  ) as [number, number];
  return both / either;
}

/** Looks places up in files below a folder: `hydra/events.jsonl:12#/loss`. */
export function reader(base: string): (place: string) => unknown {
  const texts = new Map<string, string>();
  return (place) => {
    const [, path = "", line, at = ""] = /^([^#]*?)(?::(\d+))?#(.*)$/.exec(place) ?? [];
    const file = join(base, path);
    if (file.endsWith(".safetensors") && at === "") return bitsOf(file);
    if (file.endsWith(".safetensors")) {
      const { data } = readSafetensors(file).tensors.get(at) ?? { data: new Uint8Array() };
      return Array.from(data, (value) => (value === 0 ? 1 : 0) as number).reduce((a, b) => a + b, 0) / data.length;
    }
    const text = texts.get(file) ?? readFileSync(file, "utf8");
    texts.set(file, text);
    return follow(JSON.parse(line === undefined ? text : (text.split("\n")[Number(line) - 1] ?? "")), at);
  };
}

/** Share of a list's numbers above another number; null is above all. */
const above = ([list, radius]: readonly unknown[]) =>
  (list as readonly (number | null)[]).filter((each) => each === null || each > (radius as number)).length /
  (list as readonly unknown[]).length;
const count = ([list]: readonly unknown[]) => (list as readonly unknown[]).length;

type Interval = readonly [number, number];

/** Once more what `how` says, by formulas of our own where there are any. */
export function again({ how, from, times = 1 }: SourcedCell, look: (place: string) => unknown): number[] {
  const found = from.map(look);
  const numbers = found as number[];
  const results: Readonly<Record<string, () => unknown>> = {
    read: () => found[0],
    zeros: () => found[0],
    sum: () => numbers.reduce((a, b) => a + b, 0),
    wilson: () => wilson(Math.round((numbers[0] as number) * (numbers[1] as number)), numbers[1] as number),
    above: () => above(found),
    "above-low": () => wilson(Math.round(above(found) * count(found)), count(found))[0],
    "above-high": () => wilson(Math.round(above(found) * count(found)), count(found))[1],
    jaccard: () => jaccard(...(found as [string, string])),
    difference: () => (numbers[1] as number) - (numbers[0] as number),
    newcombe: () => {
      const [a, [la, ua], b, [lb, ub]] = found as [number, Interval, number, Interval];
      return [b - a - Math.sqrt((b - lb) ** 2 + (ua - a) ** 2), b - a + Math.sqrt((ub - b) ** 2 + (a - la) ** 2)];
    },
  };
  const result = results[how]?.();
  return ((Array.isArray(result) ? result : [result]) as number[]).map((value) => value * times);
}
