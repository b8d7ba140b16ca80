// What a contender says and hears, the same as peers/protocol.py: prepare, then run, in lines of JSON, until stdin closes.

import { createInterface } from "node:readline";
import { setThreads, threads, torchVersion } from "../../dist/torch/index.js";

/** @typedef {{ step: () => number, counts: Record<string, number> }} Prepared   `step` gives the loss */

/** Answer commands; `prepare(options)` builds what `run` times. */
export async function serve(/** @type {(options: any) => Prepared} */ prepare) {
  setThreads(Number(process.env.OMP_NUM_THREADS ?? 2));
  let prepared;
  for await (const line of createInterface({ input: process.stdin })) {
    const { cmd, ...request } = JSON.parse(line);
    let reply = { error: `expected prepare, then run, got ${cmd}` };
    if (cmd === "prepare") {
      prepared = prepare(request);
      reply = { torch: torchVersion(), threads: threads() };
    } else if (cmd === "run" && prepared) reply = timed(prepared, request.steps);
    console.log(JSON.stringify(reply));
  }
}

/** Wall and processor seconds (all threads of this process) of `steps` steps, last loss, what was counted. */
function timed({ step, counts }, steps) {
  const before = { ...counts };
  const start = performance.now();
  const used = process.cpuUsage();
  let loss;
  for (let i = 0; i < steps; i++) loss = step();
  const { user, system } = process.cpuUsage(used);
  return {
    wall: (performance.now() - start) / 1e3,
    cpu: (user + system) / 1e6,
    loss,
    counts: Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, n - before[name]])),
  };
}
