// Reading 100 MB of float32 weights until they are tensors: our .pt and safetensors against Python's torch.load of the same .pt, on the
// same libtorch. In a new process each time (what a command does), from the page cache or from the disk, and again and again in one
// process, whose memory is then its own already.

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = join(tmpdir(), `s2ap-bench-checkpoint-${process.pid}`);
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

/** Takes the files out of the page cache. */
function dropped() {
  for (const file of ["weights.pt", "weights.safetensors"])
    execFileSync("dd", [
      `of=${join(folder, file)}`,
      "oflag=nocache",
      "conv=notrunc,fdatasync",
      "count=0",
      "status=none",
    ]);
}

const WAYS = [
  { name: "checkpoint", note: "a new process, the file in the page cache", steps: 1, warmup: 0, fresh: true },
  {
    name: "checkpoint-cold",
    note: "a new process, the file on disk",
    steps: 1,
    warmup: 0,
    fresh: true,
    before: dropped,
  },
  { name: "checkpoint-again", note: "again and again in one process", steps: 5, warmup: 3 },
];

export default WAYS.map(({ name, note, ...how }) => ({
  name,
  contenders: {
    torch: { runtime: "python", script: "peers/read_checkpoint.py", options: { folder }, ...how },
    pt: { runtime: "node", script: "ours/read-checkpoint.js", options: { folder, format: "pt" }, ...how },
    safetensors: {
      runtime: "node",
      script: "ours/read-checkpoint.js",
      options: { folder, format: "safetensors" },
      ...how,
    },
  },
  rows: [
    row(`${name}-pt`, "Python's torch.load", "pt", "torch", 1.2, note),
    row(`${name}-safetensors`, "Python's torch.load of the .pt", "safetensors", "torch", 1, note),
    row(`${name}-safetensors-pt`, "our reader of the .pt", "safetensors", "pt", 1, note),
  ],
}));

function row(name, peer, ours, theirs, goal, note) {
  return { name, peer, ours, theirs, bound: "atMost", goal, sameLibtorch: true, note: `100 MB of weights, ${note}` };
}
