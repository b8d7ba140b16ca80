// Our default evaluation (batch norm folded, bfloat16 where the CPU has it, broken images leave, blocks shared by processes)
// against our faithful mode (the network as it is, all images to the end), on the whole of aa-standard. The ResNet18 is trained for it on
// generated images, or is the model.safetensors that S2AP_BENCH_RUN names, on CIFAR-10; the others are described networks.

import { hasBfloat16 } from "../contender.js";
import { folders } from "../networks.js";

const precision = hasBfloat16() ? "bfloat16" : "float32";
const run = process.env.S2AP_BENCH_RUN;

export default [
  evaluation("resnet18-16", { ...(run && { run }), images: 256 }, precision === "bfloat16" ? 2.0 : 1.3),
  ...folders().map(({ name, path }) => evaluation(name, { folder: path, images: 128 }, 1.2)),
];

function evaluation(network, options, goal) {
  const name = `evaluation-${network}`;
  const side = (mode) => ({
    runtime: "node",
    script: "ours/evaluation.js",
    options: { ...options, mode, preset: "aa-standard", seed: 0 },
    steps: 1,
    warmup: 0,
  });
  return {
    name,
    contenders: { default: side("default"), faithful: side("faithful") },
    rows: [
      {
        name,
        peer: "our faithful mode",
        ours: "default",
        theirs: "faithful",
        bound: "atLeast",
        goal,
        note: `aa-standard Linf, at most ${options.images} images, search in ${precision}`,
      },
    ],
  };
}
