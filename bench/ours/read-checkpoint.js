// Our readers of checkpoints, the counterpart of peers/read_checkpoint.py, which wrote the .pt: a file becomes tensors, which are freed.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeSafetensors, readPt, readSafetensors, takeTensors } from "../../dist/nn/index.js";
import { scope, tensorMemory } from "../../dist/torch/index.js";
import { options, turnTaker } from "./protocol.js";

const { folder, format } = options();
const pt = join(folder, "weights.pt");
const safetensors = join(folder, "weights.safetensors");
if (!existsSync(safetensors))
  writeFileSync(safetensors, Buffer.concat(encodeSafetensors({ tensors: readPt(pt).value })));
const memory = tensorMemory;
const read = {
  pt: () => readPt(pt, { memory, checksums: false }).value,
  checked: () => readPt(pt, { memory }).value,
  safetensors: () => readSafetensors(safetensors, { memory }).tensors,
}[format];

const takeTurn = turnTaker({});
takeTurn();
while (true) takeTurn(scope(() => takeTensors(read()).size));
