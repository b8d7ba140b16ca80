import { fits, type Guess } from "../../models/index.js";
import { DataError } from "../../util/index.js";

const SHOWN = 8;
const sides = (shape: readonly number[]) => `[${shape.join(", ")}]`;

/** Words as they are, all else as JSON: the names are a file's, and may hold anything. */
const quoted = (name: string) => (/^[\w.-]+$/.test(name) ? name : JSON.stringify(name));

function listed(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const more = items.length - SHOWN;
  return [`  ${title} ${items.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`];
}

/** In what tensors differ from a network's, a line for each kind. */
export function mismatchLines({ missing, unexpected, misshapen }: Guess): string[] {
  return [
    ...listed("missing:     ", missing),
    ...listed("unexpected:  ", unexpected.map(quoted)),
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
  readonly problems: readonly Guess[];

  /** `asked`: the network that was named, of which `guess` says the differences; `nearest`: by names and shapes. */
  constructor(
    where: string,
    guess: Guess,
    { asked, nearest }: { readonly asked: boolean; readonly nearest?: Guess | undefined },
  ) {
    const what = asked ? `the tensors of ${networkText(guess)}` : "the tensors of a network that s2ap knows";
    const got = asked ? "others" : `others, nearest to those of ${networkText(guess)}`;
    const better = asked && nearest !== undefined && networkText(nearest) !== networkText(guess);
    const lines = [
      `${where}: expected ${what}, got ${got}:`,
      ...mismatchLines(guess),
      ...(better
        ? [`by names and shapes they are ${fits(nearest) ? "" : "nearest to "}those of ${networkText(nearest)}`]
        : []),
      `${asked ? "Leave --arch and --set out, or name" : "Name"} another network with --arch (see s2ap list models) and its options with --set,`,
      "or take only what fits with --partial. --json lists every name.",
    ];
    super(lines.join("\n"), { code: "data/architecture" });
    this.problems = [guess];
  }
}

/** No name that any network has. */
export function unknownNames(where: string, names: readonly string[]): DataError {
  const some = `${names.slice(0, SHOWN).map(quoted).join(", ")}${names.length > SHOWN ? ` and ${names.length - SHOWN} more` : ""}`;
  return new DataError(
    `${where}: expected the tensors of a network that s2ap knows (see s2ap list models), got names that none of them has: ${some}`,
    { code: "data/architecture" },
  );
}
