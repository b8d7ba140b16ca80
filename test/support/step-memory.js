// Prints { estimated, grown } in bytes: what a stage of two steps is estimated to take, and how much resident memory
// grew at its highest. Arguments: width, batch size, loss.
import { readFileSync } from "node:fs";
import { linf, pgd } from "../../dist/attacks/index.js";
import { synthetic } from "../../dist/data/index.js";
import { pgdAt, trades } from "../../dist/losses/index.js";
import { resnet18 } from "../../dist/models/index.js";
import { sgd } from "../../dist/optim/index.js";
import { estimateMemory, pretrain } from "../../dist/train/index.js";

const [width, batchSize, name] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });
const loss = name === "trades" ? trades(attack) : pgdAt(attack);
const { train, selection } = synthetic({ examples: batchSize * 2, selection: 8, batchSize, testExamples: 1 });
const model = resnet18({ width });
const status = (field) =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

const { bytes: estimated } = estimateMemory(model, { batchSize, loss, copies: 5 });
const before = status("VmRSS");
await pretrain(model, { train, selection, loss, optimizer: sgd({ lr: 0.01, momentum: 0.9 }), epochs: 1 });
console.log(JSON.stringify({ estimated, grown: status("VmHWM") - before }));
