import type { Guess } from "../../models/index.js";
import { DataError } from "../../util/index.js";

const SHOWN = 8;
const sides = (shape: readonly number[]) => `[${shape.join(", ")}]`;

function listed(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length - SHOWN;
  return [`  ${title} ${items.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`];
}

/** In what tensors differ from a network's, a line for each kind. */
export function mismatchLines({ missing, unexpected, misshapen }: Guess): string[] {
  return [
    ...listed("missing:     ", missing),
    ...listed("unexpected:  ", unexpected),
    ...listed(
      "other shape: ",
      misshapen.map(({ name, expected, got }) => `${name} ${sides(got)}, not ${sides(expected)}`),
    ),
  ];
}

/** `resnet18 (width 64, numClasses 10)`. */
export function networkText({ arch, options }: Pick<Guess, "arch" | "options">): string {
  const told = Object.entries(options).filter(([, value]) => typeof value !== "object");
  return told.length === 0 ? arch : `${arch} (${told.map(([key, value]) => `${key} ${value}`).join(", ")})`;
}

/** Tensors that are not those of the network, with all names for machines. */
export class MismatchError extends DataError {
  readonly problems: readonly [Guess];

  constructor(where: string, guess: Guess, { named }: { readonly named: boolean }) {
    const what = named ? `the tensors of ${networkText(guess)}` : "the tensors of a network that s2ap knows";
    const got = named ? "others" : `others, nearest to ${networkText(guess)}`;
    const cure = [
      named
        ? "give other options with --set, leave --arch out to let s2ap look for the network,"
        : "name another network with --arch (s2ap list models) and its options with --set,",
      "or take only what fits with --partial; --json lists every name",
    ];
    super([`${where}: expected ${what}, got ${got}:`, ...mismatchLines(guess), ...cure].join("\n"), {
      code: "data/architecture",
    });
    this.problems = [guess];
  }
}
