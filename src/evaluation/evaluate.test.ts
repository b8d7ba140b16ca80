import { expect, test } from "vitest";
import { splitOf } from "../../test/support/oracle-split.js";
import { tinyData, tinyNet } from "../../test/support/tiny.js";
import { type Attack, linf } from "../attacks/index.js";
import { describedModel } from "../models/index.js";
import { ops, tensor } from "../torch/index.js";
import { attackList } from "./auto-attack.js";
import { evaluate } from "./evaluate.js";
import { buildAttack } from "./presets.js";

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

test("of three classes, the third in rank has no gradient to follow, which is no sign of masked ones", () => {
  const steps = [{ op: "flatten" }, { op: "linear", name: "fc", in: 3, out: 3, bias: false }];
  const weights = new Map([["fc.weight", tensor([3, 0, 0, 0, 2, 0, 0, 0, 1], [3, 3])]]);
  const three = describedModel({ name: "three", input: [3, 1, 1], classes: 3, ops: steps }, weights);
  const pixels = Uint8Array.from({ length: 12 }, (_, i) => 120 + 7 * (i % 5));
  const labels = BigInt64Array.of(0n, 0n, 0n, 0n);
  const split = splitOf("three", tensor(pixels, [4, 3, 1, 1]), tensor(labels), 3);
  const threat = linf({ eps: "1/255" });
  const attacks = [buildAttack("apgd-t", { steps: 3 }, threat)];
  const { robustAccuracy, checks } = attackList(three, split, { threat, attacks, checks: false });
  expect([robustAccuracy, checks.map(({ code }) => code)]).toEqual([1, ["few-classes", "few-classes"]]);
});
