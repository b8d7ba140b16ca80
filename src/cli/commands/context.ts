import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "@commander-js/extra-typings";
import { inertJson } from "../../util/index.js";
import type { Terminal } from "../terminal.js";
import type { Work } from "../work.js";

/** What commands work with; tests bring their own. */
export interface Cli {
  readonly terminal: Terminal;
  readonly work: Work;
  /** Set by a command that ended otherwise than done. */
  exitCode: number;
}

/** A word of a command line as a shell takes it. */
export const quoted = (text: string) => (/^[\w./,=:-]+$/.test(text) ? text : `'${text}'`);

/** An option and its value as they stand on a command line; nothing where it is not given. */
export const given = (option: string, value: string | undefined) =>
  value === undefined ? [] : [`${option} ${quoted(value)}`];

/** A command that only holds others; options of its own would swallow theirs. */
export function group(name: string, summary: string, examples: readonly string[]) {
  return new Command(name)
    .description(summary)
    .addHelpText("after", `\nExamples:\n${examples.map((example) => `  ${example}`).join("\n")}`);
}

/** A command with what all of them have: `--json`, `--plugin` and examples. */
export function command(name: string, summary: string, examples: readonly string[]) {
  return group(name, summary, examples)
    .option("--json", "print one JSON document instead of text")
    .option("--plugin <file>", "load a module of your own that registers more names (it runs code)", collectPaths)
    .showHelpAfterError("Try the same with --help.");
}

/** Gathers the values of an option that may be repeated. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function collectPaths(value: string, before: readonly string[] = []): string[] {
  return [...before, resolve(value)];
}

/** A whole number that may be zero. */
export function whole(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError("Expected a whole number >= 0.");
  }
  return value;
}

/** A whole number of at least one. */
export function positive(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("Expected a whole number >= 1.");
  return value;
}

/** A share that is not nothing. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value <= 1)) throw new InvalidArgumentError("Expected a share in (0, 1].");
  return value;
}

export function printJson(terminal: Terminal, value: unknown): void {
  terminal.out(inertJson(JSON.stringify(value, undefined, 2)));
}
