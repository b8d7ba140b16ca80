// Our attacks in the faithful mode (no image leaves, nothing is folded or shared) against the same attacks in plain Python
// PyTorch on the same libtorch. ResNet18 width 16 in evaluation mode, float32, channels_last, a batch of 64.

/** Square's radius is so small that no image is broken and stops being queried: both make all forward passes. */
const SIZES = {
  "apgd-ce": { iterations: 10, eps: 8 / 255 },
  "fab-t": { iterations: 5, eps: 8 / 255 },
  square: { iterations: 50, eps: 1e-4 },
};

export default Object.entries(SIZES).map(([attack, size]) => {
  const name = `attack-${attack}`;
  const common = { options: { attack, ...size, width: 16, batch: 64, seed: 1 }, steps: 1, warmup: 1 };
  return {
    name,
    contenders: {
      ours: { runtime: "node", script: "ours/attack.js", ...common },
      eager: { runtime: "python", script: "peers/attack.py", ...common },
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
        note: `faithful mode, ${size.iterations} iterations, ResNet18 width 16, batch 64, float32, channels_last`,
      },
    ],
  };
});
