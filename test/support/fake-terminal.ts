import type { Terminal } from "../../src/cli/terminal.js";

/** A terminal that keeps what it is told; `raw` pieces are kept apart from the lines. */
export interface FakeTerminal extends Terminal {
  readonly outLines: string[];
  readonly errLines: string[];
  readonly rawPieces: string[];
}

export function fakeTerminal(options: { readonly live?: boolean; readonly columns?: number } = {}): FakeTerminal {
  const outLines: string[] = [];
  const errLines: string[] = [];
  const rawPieces: string[] = [];
  return {
    outLines,
    errLines,
    rawPieces,
    out: (text) => void outLines.push(text),
    err: (text) => void errLines.push(text),
    raw: (text) => void rawPieces.push(text),
    live: options.live ?? false,
    columns: options.columns ?? 100,
    paint: (_style, text) => text,
  };
}
