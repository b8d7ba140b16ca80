// What HARP's rates and budget add to a search step of HYDRA, and what S2AP adds to a step of HARP.

export default [16, 64].flatMap((width) => {
  const side = (method, gradient) => ({
    runtime: "node",
    script: "ours/search-step.js",
    options: { width, batch: 32, loss: "pgd", attackSteps: 10, dtype: "float32", method, gradient, seed: 1 },
    steps: width === 16 ? 3 : 1,
    warmup: 1,
  });
  const pair = (name, { ours, theirs, peer, goal }) => ({
    name,
    contenders: { ours, theirs },
    rows: [
      {
        name,
        peer,
        ours: "ours",
        theirs: "theirs",
        bound: "atMost",
        goal,
        note: `PGD-10, ResNet18 width ${width}, batch 32, float32`,
      },
    ],
  });
  return [
    pair(`harp-step-${width}`, {
      ours: side("harp", "plain"),
      theirs: side("hydra", "plain"),
      peer: "our HYDRA step",
      goal: 1.05,
    }),
    pair(`harp-s2ap-overhead-${width}`, {
      ours: side("harp", "s2ap"),
      theirs: side("harp", "plain"),
      peer: "our HARP step without S2AP",
      goal: 1.2,
    }),
  ];
});
