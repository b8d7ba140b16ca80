// Which network searches: told by the mode's name and by its logits.
import { afterAll, expect, test } from "vitest";
import { freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { bindNetwork } from "../models/index.js";
import { ops, scope } from "../torch/index.js";
import { evaluationMode } from "./speed.js";

const model = tinyNet();
afterAll(() => freeModel(model));

/** Largest difference of the searching network's logits to those of the network as it is. */
function difference(precision: "float32" | "bfloat16"): number {
  return scope(() => {
    const { x } = tinyData().selection.ordered(0, 8);
    const { victim } = evaluationMode(model, { precision });
    if (victim === undefined) throw new Error("no victim");
    const own = bindNetwork(model, model).victim.logits(x);
    return ops.amax(ops.abs(ops.sub(ops.asType(victim.logits(x), { dtype: "float32" }), own))).item();
  });
}

test("a search in float32 has the logits of the network up to rounding, one in bfloat16 not", () => {
  expect(scope(() => evaluationMode(model, { precision: "float32" }).search)).toBe("folded float32");
  expect(scope(() => evaluationMode(model, { precision: "bfloat16" }).search)).toBe("folded bfloat16");
  expect(difference("float32")).toBeLessThan(1e-5);
  expect(difference("bfloat16")).toBeGreaterThan(1e-4);
});

test("the faithful mode has no network of its own", () => {
  expect(evaluationMode(model, { faithful: true })).toEqual({ leave: false, pace: false });
});
