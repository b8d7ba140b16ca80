// What S2AP adds to a search step of HYDRA: one forward, one full backward and one mask build over 10 attack steps.
// Counted in forwards (input gradient 1, full backward 2): 24 for HYDRA, 27 with S2AP, so 1.13 is the least possible.

export default [16, 64].map((width) => {
  const name = `s2ap-overhead-${width}`;
  const side = (gradient) => ({
    runtime: "node",
    script: "ours/search-step.js",
    options: { width, batch: 32, loss: "pgd", attackSteps: 10, dtype: "float32", gradient, seed: 1 },
    steps: width === 16 ? 3 : 1,
    warmup: 1,
  });
  return {
    name,
    contenders: { s2ap: side("s2ap"), hydra: side("plain") },
    rows: [
      {
        name,
        peer: "our HYDRA step without S2AP",
        ours: "s2ap",
        theirs: "hydra",
        bound: "atMost",
        goal: 1.2,
        note: `PGD-10, ResNet18 width ${width}, batch 32, float32; counted minimum 1.13`,
      },
    ],
  };
});
