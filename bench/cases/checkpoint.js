// Reading 100 MB of float32 weights until they are tensors: our .pt and safetensors against Python's torch.load of the same .pt, on the
// same libtorch, in a new process each time, as a command does.

import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = join(tmpdir(), `s2ap-bench-checkpoint-${process.pid}`);
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));

const NOTE = "100 MB of weights, a new process, the file in the page cache";
const how = { steps: 1, warmup: 0, fresh: true };
const ours = (format) => ({ runtime: "node", script: "ours/read-checkpoint.js", options: { folder, format }, ...how });

export default [
  {
    name: "checkpoint",
    contenders: {
      torch: { runtime: "python", script: "peers/read_checkpoint.py", options: { folder }, ...how },
      pt: ours("pt"),
      checked: ours("checked"),
      safetensors: ours("safetensors"),
    },
    rows: [
      row("checkpoint-pt", "Python's torch.load", "pt", "torch", 1.2, `${NOTE}, checksums unread as by torch.load`),
      row("checkpoint-checked", "Python's torch.load, which reads no checksums", "checked", "torch", 1.5, NOTE),
      row("checkpoint-safetensors", "Python's torch.load of the .pt", "safetensors", "torch", 1, NOTE),
      row("checkpoint-safetensors-pt", "our reader of the .pt", "safetensors", "pt", 1, NOTE),
    ],
  },
];

function row(name, peer, ours, theirs, goal, note) {
  return { name, peer, ours, theirs, bound: "atMost", goal, sameLibtorch: true, note };
}
