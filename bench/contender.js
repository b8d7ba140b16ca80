// A contender is a long-lived process that speaks JSON lines (see peers/protocol.py), so that two of them can be
// alternated within one run, both warm. Ours and the peers' are started and timed in the same way.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** Threads of every contender. */
export const THREADS = 2;

/**
 * @typedef {object} ContenderSpec
 * @property {"node" | "python"} runtime
 * @property {string} script   relative to bench/
 * @property {Record<string, unknown>} options   sent with `prepare`
 * @property {number} steps    steps timed in one turn
 * @property {number} warmup   steps before the first turn
 * @property {boolean} [bf16]  needs a CPU with bfloat16 arithmetic
 * @property {boolean} [fresh]  every turn is a process of its own, which is prepared, but not warmed up
 */

/** @typedef {{ wall: number, cpu: number, loss: number, counts: Record<string, number> }} Timing  seconds a step */

/** Why this contender cannot be timed on this machine, or undefined. */
export function missing(/** @type {ContenderSpec} */ spec) {
  if (spec.runtime === "python" && !python()) return "no Python that imports torch (Debian: python3-torch)";
  if (spec.bf16 && !hasBfloat16()) return "this CPU has no bfloat16 arithmetic";
  return undefined;
}

/** A contender of a new process each turn; the first one only says what it runs on and makes what is missing. */
async function renewed(/** @type {ContenderSpec} */ { fresh, ...spec }) {
  const first = await start(spec);
  first.stop();
  return {
    libtorch: first.libtorch,
    /** @returns {Promise<Timing>} */
    async turn() {
      const contender = await start(spec);
      try {
        return await contender.turn();
      } finally {
        contender.stop();
      }
    },
    stop: () => {},
  };
}

/** Start a contender, let it build what it times, and warm it up. */
export async function start(/** @type {ContenderSpec} */ spec) {
  if (spec.fresh) return renewed(spec);
  const script = fileURLToPath(new URL(spec.script, import.meta.url));
  const command = spec.runtime === "python" ? python() : process.execPath;
  const child = spawn(/** @type {string} */ (command), [script], {
    stdio: ["pipe", "pipe", "pipe"],
    env: {
      ...process.env,
      OMP_NUM_THREADS: String(THREADS),
      OMP_WAIT_POLICY: "PASSIVE", // the idle contender must not spin while the other is timed
      PYTHONDONTWRITEBYTECODE: "1",
    },
  });
  const ask = conversation(child, spec.script);
  try {
    await ask({ cmd: "prepare", ...spec.options });
    const libtorch = loadedLibtorch(child.pid);
    if (spec.warmup > 0) await ask({ cmd: "run", steps: spec.warmup });
    return {
      libtorch,
      /** @returns {Promise<Timing>} */
      async turn() {
        const reply = await ask({ cmd: "run", steps: spec.steps });
        if (!Number.isFinite(reply.loss)) throw new Error(`${spec.script}: expected a finite loss, got ${reply.loss}`);
        const counts = Object.fromEntries(Object.entries(reply.counts).map(([name, n]) => [name, n / spec.steps]));
        return { wall: reply.wall / spec.steps, cpu: reply.cpu / spec.steps, loss: reply.loss, counts };
      },
      stop: () => child.stdin.end(),
    };
  } catch (error) {
    child.stdin.end();
    throw error;
  }
}

/** One question, one answer, a line each. A contender that ends early or says `error` rejects with what it wrote. */
function conversation(/** @type {import("node:child_process").ChildProcessWithoutNullStreams} */ child, name) {
  let waiting;
  let complaints = "";
  child.stderr.on("data", (chunk) => {
    complaints = (complaints + chunk).slice(-4000);
  });
  child.stdin.on("error", () => {}); // a broken pipe is reported by `close`
  const fail = (why) => waiting?.reject(new Error(`${name}: ${why}\n${complaints}`.trimEnd()));
  child.on("error", (error) => fail(error.message));
  child.on("close", (code, signal) => fail(`expected an answer, got exit ${signal ?? code}`));
  createInterface({ input: child.stdout }).on("line", (line) => {
    let reply;
    try {
      reply = JSON.parse(line);
    } catch {
      return fail(`expected a line of JSON, got ${line}`);
    }
    if (reply.error) fail(reply.error);
    else waiting?.resolve(reply);
  });
  return (request) =>
    new Promise((resolve, reject) => {
      if (child.exitCode !== null) return reject(new Error(`${name}: ended early\n${complaints}`.trimEnd()));
      waiting = { resolve, reject };
      child.stdin.write(`${JSON.stringify(request)}\n`);
    });
}

let foundPython;

/** The first of the system's Python and `python3` on PATH that imports torch. */
export function python() {
  foundPython ??= ["/usr/bin/python3", "python3"].find(importsTorch) ?? "";
  return foundPython || undefined;
}

function importsTorch(command) {
  if (command.startsWith("/") && !existsSync(command)) return false;
  try {
    execFileSync(command, ["-c", "import torch"], { stdio: "ignore", timeout: 120_000 });
    return true;
  } catch {
    return false;
  }
}

/** bfloat16 counts as there only when the CPU multiplies it: emulated, the ratio would say nothing. */
export function hasBfloat16(cpuinfo = readOr("/proc/cpuinfo", "")) {
  return /\b(avx512_bf16|amx_bf16)\b/.test(cpuinfo);
}

/** Path of the libtorch that a process has mapped, from /proc. */
function loadedLibtorch(pid) {
  return /\/\S*libtorch_cpu\.so\S*/.exec(readOr(`/proc/${pid}/maps`, ""))?.[0];
}

/** Whether two paths hold the same build of libtorch (the ELF header and the build id sit in the first page). */
export function sameLibrary(a, b) {
  if (a === b) return true;
  if (!a || !b) return false;
  return readFileSync(a).subarray(0, 4096).equals(readFileSync(b).subarray(0, 4096));
}

function readOr(path, fallback) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return fallback;
  }
}
