import { expect, test } from "vitest";
import { tinyData, tinyNet } from "../../test/support/tiny.js";
import { type Attack, linf } from "../attacks/index.js";
import { ops } from "../torch/index.js";
import { attackList } from "./auto-attack.js";
import { evaluate } from "./evaluate.js";

const model = tinyNet();
const { selection } = tinyData();

test("an attack that leaves the ball breaks nothing, by itself and in a list, and both say so", () => {
  const threat = linf({ eps: "1/255" });
  const far: Attack = { name: "far", threat, perturb: (_, x) => ops.mul(x, -100) };
  const { cleanAccuracy, robustAccuracy, checks } = evaluate(model, selection, far);
  expect([cleanAccuracy > 0, robustAccuracy]).toEqual([true, cleanAccuracy]);
  expect(checks).toMatchObject([{ code: "left-the-ball", severity: "warning", values: { attack: "far" } }]);
  const list = attackList(model, selection, {
    threat,
    attacks: [{ name: "far", attack: far }],
    checks: false,
  });
  expect([list.robustAccuracy, list.checks]).toEqual([robustAccuracy, checks]);
});
