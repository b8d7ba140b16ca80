// Our default evaluation (batch norm folded, bfloat16 where the CPU has it, broken images leave, blocks shared by processes)
// against our faithful mode (the network as it is, all images to the end), on the whole of aa-standard. The ResNet18 is trained for it on
// generated images, or is the model.safetensors that S2AP_BENCH_RUN names, on CIFAR-10; the others are described networks.

import { hasBfloat16 } from "../contender.js";
import { folders } from "../networks.js";

const bf16 = hasBfloat16();
const run = process.env.S2AP_BENCH_RUN;

const network = { ...(run && { run }), images: 256 };

export default [
  evaluation("resnet18-16", network, bf16 ? [ours("bfloat16", 2.0), ours("float32", 1.3)] : [ours("float32", 1.3)]),
  ...folders().map(({ name, path }) => evaluation(name, { folder: path, images: 128 }, [{ goal: 1.2 }])),
];

/** Our default, or with its search in this arithmetic. */
function ours(precision, goal) {
  return { precision, goal };
}

function evaluation(network, options, sides) {
  const name = `evaluation-${network}`;
  const side = (more) => ({
    runtime: "node",
    script: "ours/evaluation.js",
    options: { ...options, ...more, preset: "aa-standard", seed: 0 },
    steps: 1,
    warmup: 0,
  });
  const called = ({ precision = "default" }) => precision;
  return {
    name,
    contenders: {
      faithful: side({ faithful: true }),
      ...Object.fromEntries(sides.map((each) => [called(each), side({ precision: each.precision })])),
    },
    rows: sides.map((each) => ({
      name: each.precision === undefined ? name : `${name}-${each.precision}`,
      peer: "our faithful mode",
      ours: called(each),
      theirs: "faithful",
      bound: "atLeast",
      goal: each.goal,
      note: `aa-standard Linf, at most ${options.images} images, search in ${each.precision ?? "the CPU's arithmetic"}`,
    })),
  };
}
