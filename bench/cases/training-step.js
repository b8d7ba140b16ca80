// Our training step (forward, cross-entropy, backward, SGD with momentum 0.9 and weight decay 5e-4) of ResNet18 against
// the same step in Python eager on the same libtorch; channels_last. Batch 128 at width 16, 32 at width 64.

const SIZES = [
  { width: 64, batch: 32, steps: 3 },
  { width: 16, batch: 128, steps: 5 },
];

export default SIZES.flatMap((size) => ["float32", "bfloat16"].map((dtype) => trainingStep(size, dtype)));

function trainingStep({ width, batch, steps }, dtype) {
  const name = `training-step-${width}-${dtype}`;
  const common = { options: { width, batch, dtype, seed: 1 }, steps, warmup: 3, bf16: dtype === "bfloat16" };
  return {
    name,
    contenders: {
      ours: { runtime: "node", script: "ours/training-step.js", ...common },
      eager: { runtime: "python", script: "peers/training_step.py", ...common },
    },
    rows: [
      {
        name,
        peer: "Python eager",
        ours: "ours",
        theirs: "eager",
        bound: "atMost",
        goal: 1.05,
        sameLibtorch: true,
        note: `ResNet18 width ${width}, batch ${batch}, ${dtype}, channels_last`,
      },
    ],
  };
}
