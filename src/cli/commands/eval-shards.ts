// One evaluation in several processes: each takes every n-th block of 128 images and writes its part of one record; the
// process that started them merges. Small networks gain more from this than from threads inside an operator.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import type { RunUpdate } from "../../recipe/run.js";
import { type Failure, JobError } from "../failure.js";
import type { EvalAnswer, EvalOptions } from "../jobs/eval-options.js";
import type { StopSignal } from "../signals.js";
import { threadBudget } from "../work.js";
import { isTold, joinProgress } from "./eval-joined.js";

export interface ShardsHow {
  readonly shards: number;
  readonly plugins: readonly string[];
  readonly threads: number | undefined;
  readonly say: (text: string) => void;
  /** Shown what all processes together have done, and what one of them warns of. */
  readonly show: (update: RunUpdate) => void;
  /** Does the evaluation in this process; what the record has already is not done again. */
  readonly work: (options: EvalOptions) => Promise<EvalAnswer>;
  /** Told how to stop all processes, once they run. */
  readonly onStart: (stop: (signal: StopSignal) => void) => void;
}

/** The command line's own script, three folders up and across from the built form of this file. */
const BIN = join(import.meta.dirname, "../../..", "bin/s2ap.js");

const flagOf = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** The command line that means these options. */
export function argvOf({ model, attacks, shard, compare: _compare, curves: _curves, ...rest }: EvalOptions): string[] {
  const flags = Object.entries(rest).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [flagOf(name)] : [`${flagOf(name)}=${value}`];
  });
  return [
    "eval",
    ...flags,
    ...attacks.map((attack) => `--attack=${attack}`),
    ...(shard === undefined ? [] : [`--shard=${shard.index + 1}/${shard.of}`]),
    ...(model === undefined ? [] : ["--", model]),
  ];
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function ended(child: ChildProcess): Promise<Ended> {
  const texts = { out: "", err: "" };
  child.stdout?.on("data", (chunk) => (texts.out += chunk));
  child.stderr?.on("data", (chunk) => (texts.err += chunk));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...texts }));
  });
}

/** What a process said when it failed, as if it had failed here. */
function failureIn({ code, out, err }: Ended, shard: string): Failure {
  try {
    const { error } = JSON.parse(out) as { error?: Omit<Failure, "exit"> };
    if (error !== undefined) return { ...error, message: error.message, exit: code ?? 1 };
  } catch {
    // Killed, or crashed: it could not say why.
  }
  const last = err.trim().split("\n").at(-1) ?? "";
  return { code: "shard", message: `eval: process ${shard} ended with ${code ?? "a signal"}: ${last}`, exit: 1 };
}

/** Shows one live bound over all processes; a warning that several give is shown once. */
function listen(children: readonly ChildProcess[], show: ShardsHow["show"]): void {
  const join = joinProgress();
  const warned = new Set<string>();
  for (const [shard, child] of children.entries()) {
    child.on("message", (message) => {
      if (!isTold(message)) return;
      if (message.kind === "warning") {
        if (!warned.has(message.text)) show(message);
        warned.add(message.text);
        return;
      }
      const joined = join(shard, message);
      if (joined !== undefined) show(joined);
    });
  }
}

/** Most memory that a process of an evaluation is expected to need, in bytes. */
const ROOM = 1.5e9;

/** As many processes as there are threads to use and memory to hold them. */
export function affordable(threads: number | undefined): number {
  return Math.max(1, Math.min(threadBudget(threads), Math.floor(totalmem() / ROOM)));
}

async function runAll(options: EvalOptions, how: ShardsHow, out: string): Promise<boolean> {
  const { shards, plugins } = how;
  const threads = Math.max(1, Math.floor(threadBudget(how.threads) / shards));
  const children = Array.from({ length: shards }, (_, index) => {
    const argv = argvOf({ ...options, out, shard: { index, of: shards } });
    const more = ["--json", `--threads=${threads}`, ...plugins.map((file) => `--plugin=${file}`)];
    const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
    return spawn(process.execPath, [BIN, argv[0] as string, ...more, ...argv.slice(1)], {
      env,
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
  });
  const stop = (signal: StopSignal) => {
    for (const child of children) child.kill(signal);
  };
  how.onStart(stop);
  listen(children, how.show);
  how.say(`${shards} processes with ${threads} thread${threads === 1 ? "" : "s"} each`);
  const results = await Promise.all(
    children.map(async (child, i) => {
      const result = await ended(child);
      // One that fails ends the others: their work is on disk.
      if (![0, 129, 130, 143].includes(result.code ?? 1)) stop("SIGTERM");
      return { result, shard: `${i + 1}/${shards}` };
    }),
  );
  const failed = results.find(({ result }) => ![0, 129, 130, 143].includes(result.code ?? 1));
  if (failed !== undefined) throw new JobError(failureIn(failed.result, failed.shard));
  return results.every(({ result }) => result.code === 0);
}

/** Runs an evaluation in several processes and merges what they found. */
export async function runShards(options: EvalOptions, how: ShardsHow): Promise<EvalAnswer> {
  const temporary = options.out === undefined ? mkdtempSync(join(tmpdir(), "s2ap-eval-")) : undefined;
  try {
    const out = options.out ?? (temporary as string);
    await runAll(options, how, out);
    // Where they were stopped, this stops at once too, and says how far they came.
    const answer = await how.work({ ...options, out });
    if (temporary === undefined || answer.kind !== "evaluation") return answer;
    const { record: _record, files: _files, ...kept } = answer;
    return kept;
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true });
  }
}
