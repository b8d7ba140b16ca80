import { CommanderError } from "@commander-js/extra-typings";
import { type Cli, printJson } from "./commands/context.js";
import { failureText, toFailure } from "./failure.js";
import { buildProgram } from "./program.js";
import { processTerminal, type Terminal } from "./terminal.js";
import { type Work, work } from "./work.js";

/** Runs one command line (without `node` and the script) and returns the exit code. */
export async function main(
  argv: readonly string[],
  { terminal = processTerminal(), work: does = work }: { readonly terminal?: Terminal; readonly work?: Work } = {},
): Promise<number> {
  const cli: Cli = { terminal, work: does, exitCode: 0 };
  try {
    const program = buildProgram(cli);
    if (argv.length === 0) program.help();
    await program.parseAsync([...argv], { from: "user" });
    return cli.exitCode;
  } catch (error) {
    const json = argv.includes("--json");
    if (error instanceof CommanderError) {
      // Help and version are answers; what is wrong with a command line has been said to people by then.
      if (error.exitCode === 0) return 0;
      const message = error.message.replace(/^error: /, "");
      if (json) printJson(terminal, { error: { code: "usage/command-line", message } });
      return 2;
    }
    const failure = toFailure(error);
    if (json) {
      const { exit: _exit, stack: _stack, ...shown } = failure;
      printJson(terminal, { error: shown });
    } else terminal.err(failureText(failure));
    return failure.exit;
  }
}
