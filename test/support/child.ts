import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath, pathToFileURL } from "node:url";

/** Processes of their own: for what may kill the process, needs other flags, or measures its memory. */
const root = fileURLToPath(new URL("../..", import.meta.url));

// `npm test` has built it.
let built = process.env.S2AP_DIST_BUILT === "1";

/**
 * Compiles the sources to `dist/`, which child processes import; once a test file, and quick when nothing changed. Type
 * errors are the business of `npm run check`: the output is written all the same.
 */
export function buildDist(): void {
  if (built) return;
  const tsc = fileURLToPath(new URL("../../node_modules/typescript/bin/tsc", import.meta.url));
  const { error } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { cwd: root, stdio: "ignore" });
  if (error) throw error;
  built = true;
}

export interface ChildOptions {
  readonly args?: readonly string[];
  /** Flags of node, e.g. `--expose-gc`. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds; default 110,000, just under a test's own limit. */
  readonly timeout?: number;
}

export interface Ended {
  /** `null` when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** URL of a compiled module, e.g. `torch/index.js`. */
export function distUrl(path: string): string {
  return pathToFileURL(`${root}dist/${path}`).href;
}

function commandLine(script: string, options: ChildOptions): string[] {
  return [...(options.flags ?? []), script, ...(options.args ?? [])];
}

const environment = (options: ChildOptions) => ({ ...process.env, NODE_OPTIONS: "", ...options.env });

/** Runs a script of this folder to its end. */
export function runScript(name: string, options: ChildOptions = {}): Ended {
  buildDist();
  return ended(commandLine(fileURLToPath(new URL(name, import.meta.url)), options), options);
}

/** Runs a few lines as a module that begins with everything of `torch/index.js` in scope as `torch`. */
export function runCode(code: string, options: ChildOptions = {}): Ended {
  buildDist();
  const module = `import * as torch from ${JSON.stringify(distUrl("torch/index.js"))};\n${code}`;
  return ended([...(options.flags ?? []), "--input-type=module", "-e", module, ...(options.args ?? [])], options);
}

function ended(args: readonly string[], options: ChildOptions): Ended {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: "utf8",
    env: environment(options),
    timeout: options.timeout ?? 110_000,
    killSignal: "SIGKILL",
    maxBuffer: 256 * 2 ** 20,
  });
  return { status, signal, stdout, stderr };
}

/** Starts a script of this folder; the caller ends it. */
export function startScript(name: string, options: ChildOptions = {}): ChildProcess {
  buildDist();
  const args = commandLine(fileURLToPath(new URL(name, import.meta.url)), options);
  return spawn(process.execPath, args, { cwd: root, env: environment(options), stdio: ["ignore", "pipe", "pipe"] });
}
