import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { styleText } from "node:util";
import { diskError } from "../util/index.js";
import { failureOf } from "./failure.js";

type Style = Parameters<typeof styleText>[0];

/** Where the command line speaks: results on `out`, everything about how it goes on `err`. */
export interface Terminal {
  /** Writes a result, with a line end. */
  out(text: string): void;
  /** Writes a remark, with a line end. */
  err(text: string): void;
  /** Writes to the error stream as it is; for a line that is drawn over and over. */
  raw(text: string): void;
  /** Whether a person watches the error stream; then there may be a live line. */
  readonly live: boolean;
  /** Characters in a line of the error stream. */
  readonly columns: number;
  /** Asks a question that is answered by yes or no; absent where nobody can answer. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  /** Colours a remark, where the stream and NO_COLOR allow it. */
  paint(style: Style, text: string): string;
}

/** Asks on the error stream; anything but `y` or `yes` is a no, the end of the input too. */
async function confirm(question: string): Promise<boolean> {
  const reader = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ended = once(reader, "close").then(() => "");
    return /^y(es)?$/i.test((await Promise.race([reader.question(`${question} [y/N] `), ended])).trim());
  } finally {
    reader.close();
  }
}

/** The process's own streams. */
export function processTerminal(): Terminal {
  const { stdout, stderr } = process;
  // A reader that has seen enough (`| head`) is no error.
  for (const stream of [stdout, stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      if (stream === stderr) throw error;
      const { message, exit } = failureOf(diskError("standard output", error));
      stderr.write(`s2ap: ${message}\n`);
      process.exit(exit);
    });
  }
  return {
    out: (text) => void stdout.write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    raw: (text) => void stderr.write(text),
    ...(process.stdin.isTTY && stderr.isTTY && { confirm }),
    live: stderr.isTTY === true && process.env.TERM !== "dumb",
    get columns() {
      // A terminal that does not know its width says 0.
      return stderr.columns || 80;
    },
    paint: (style, text) => styleText(style, text, { stream: stderr }),
  };
}
