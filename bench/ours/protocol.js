// What a contender says and hears, the same as peers/protocol.py: prepare, then run, in lines of JSON, until stdin closes.
// Commands are read synchronously, so that a stage can be paused between two of its steps by asking for the next one.

import { readSync, writeSync } from "node:fs";
import { setThreads, threads, torchVersion } from "../../dist/torch/index.js";

let unread = "";

/** The next command; the process ends when there is none. */
function nextCommand() {
  const chunk = Buffer.alloc(4096);
  while (!unread.includes("\n")) {
    const length = readSync(0, chunk);
    if (length === 0) process.exit(0);
    unread += chunk.toString("utf8", 0, length);
  }
  const end = unread.indexOf("\n") + 1;
  const line = unread.slice(0, end);
  unread = unread.slice(end);
  return JSON.parse(line);
}

function answer(reply) {
  writeSync(1, `${JSON.stringify(reply)}\n`);
}

/** The options of the first command, which must be `prepare`. */
export function options() {
  setThreads(Number(process.env.OMP_NUM_THREADS ?? 2));
  const { cmd, ...rest } = nextCommand();
  if (cmd !== "prepare") throw new Error(`expected prepare, then run, got ${cmd}`);
  return rest;
}

/**
 * Takes turns with the harness: call it before the first step, and with the loss after each. It returns when a step is
 * to be made; in between it answers with wall and processor seconds (all threads) and what was counted in the turn.
 */
export function turnTaker(/** @type {Record<string, number>} */ counts) {
  let turn;
  return (loss) => {
    if (turn === undefined) answer({ torch: torchVersion(), threads: threads() });
    else {
      turn.left -= 1;
      if (turn.left > 0) return;
      answer(finished(turn, counts, loss));
    }
    const { cmd, steps } = nextCommand();
    if (cmd !== "run") throw new Error(`expected run, got ${cmd}`);
    turn = { left: steps, counted: { ...counts }, used: process.cpuUsage(), start: performance.now() };
  };
}

function finished({ counted, used, start }, counts, loss) {
  const wall = (performance.now() - start) / 1e3;
  const { user, system } = process.cpuUsage(used);
  const made = Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n - counted[name]]));
  return { wall, cpu: (user + system) / 1e6, loss, counts: made };
}
