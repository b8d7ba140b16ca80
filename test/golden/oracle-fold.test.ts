// The networks of the reference folders in the form that is searched on: batch norms folded into convolutions, dead channels
// cut out, the same logits and input gradients as those of the folder in float64.
import { expect, test } from "vitest";
import { crossEntropy, inputGradient } from "../../src/attacks/index.js";
import { fastVictim } from "../../src/evaluation/fast-victim.js";
import { noGrad, ops, scope } from "../../src/torch/index.js";
import { expectClose } from "../support/close.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { forEachOracle, get, type OracleFolder } from "../support/oracles.js";

forEachOracle("model", (folder: OracleFolder) => {
  test("logits and input gradients of the folded network, in float64", () => {
    scope(() => {
      const { model, victim, x, y } = oracleNetwork(folder, "float64");
      expect(model.shortcuts?.norms.size).toBeGreaterThan(0);
      const fast = fastVictim(model);
      const logits = noGrad(() => fast.logits(x));
      expectClose("logits", logits, get(folder.tensors("forward.safetensors"), "logits_f64"), 1e-10);
      const [exact, folded] = [victim, fast].map((each) => inputGradient(each, x, y, crossEntropy).gradient);
      if (exact === undefined || folded === undefined) throw new Error("expected two gradients");
      const scale = ops.amax(ops.abs(exact)).item();
      expectClose("gradient", folded.toNumbers(), exact.toNumbers(), 1e-10 * scale);
      expect(fast.passes).toEqual({ forward: 2, backward: 1 });
    });
  });

  test("classes in bfloat16 are those in float32 on nearly all images", () => {
    scope(() => {
      const { model, x, logits } = oracleNetwork(folder, "float32");
      const fast = fastVictim(model, { precision: "bfloat16" });
      const classes = [logits(x), noGrad(() => fast.logits(x))].map((each) => ops.argmax(each, { dim: 1 }).toNumbers());
      const differ = classes[0]?.filter((label, i) => label !== classes[1]?.[i]);
      expect(differ?.length).toBeLessThanOrEqual(Math.ceil(0.04 * (x.shape[0] ?? 0)));
    });
  });
});
