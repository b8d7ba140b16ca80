// Our search step against the references' schedule of work: masks sorted again at every forward, the clean prediction
// repeated in each TRADES attack step, float32, default memory format. ResNet18 width 64, batch 32, 10 attack steps.

const GOALS = { pgd: { float32: 4, bfloat16: 7 }, trades: { float32: 6, bfloat16: 10 } };

export default Object.entries(GOALS).map(([loss, goals]) => {
  const options = { width: 64, batch: 32, loss, attackSteps: 10, seed: 1 };
  const ours = (dtype) => ({
    runtime: "node",
    script: "ours/search-step.js",
    options: { ...options, dtype, gradient: "plain" },
    steps: 1,
    warmup: 1,
    bf16: dtype === "bfloat16",
  });
  return {
    name: `reference-schedule-${loss}`,
    contenders: {
      float32: ours("float32"),
      bfloat16: ours("bfloat16"),
      reference: { runtime: "python", script: "peers/reference_search_step.py", options, steps: 1, warmup: 1 },
    },
    rows: Object.entries(goals).map(([dtype, goal]) => ({
      name: `reference-schedule-${loss}-${dtype}`,
      peer: "references' schedule, Python float32",
      ours: dtype,
      theirs: "reference",
      bound: "atLeast",
      goal,
      note: `HYDRA, ${loss === "pgd" ? "PGD-AT" : "TRADES"}, ResNet18 width 64, batch 32, 10 attack steps`,
    })),
  };
});
