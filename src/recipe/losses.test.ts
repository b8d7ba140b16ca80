// Losses in recipes: those that craft their examples themselves take no attack, the others need one.
import { describe, expect, test } from "vitest";
import { linf } from "../attacks/index.js";
import { losses } from "../losses/index.js";
import { buildLoss } from "./build.js";
import { parseRecipe } from "./load.js";
import { registries } from "./registries.js";

const recipe = (loss: string, stage = "") => `
name: r
data: { name: synthetic }
model: { arch: resnet18 }
threat: { norm: linf, eps: 8/255 }
stages: { pretrain: { epochs: 1, loss: ${loss}, optimizer: { name: sgd, lr: 0.1 }${stage} } }
`;
const pretrainOf = (text: string) => parseRecipe(text, "r.yaml", { registries }).stages.pretrain;

const withAttack = ["pgd-at", "trades", "mart"];
const alone = ["natural", "fgsm-rs", "free-at", "smoothing"];

test("every loss is in one of the lists", () => {
  expect([...withAttack, ...alone].sort()).toEqual(losses.names().sort());
});

describe.each([...withAttack.map((name) => [name, true] as const), ...alone.map((name) => [name, false] as const)])(
  "%s",
  (name, attacked) => {
    const [bare, full] = [`{ name: ${name} }`, `{ name: ${name}, attack: { name: pgd, steps: 3 } }`];

    test(attacked ? "needs an attack" : "takes no attack", () => {
      const [good, wrong] = attacked ? [full, bare] : [bare, full];
      expect(() => pretrainOf(recipe(wrong))).toThrow(/attack/);
      const threat = linf({ eps: "8/255" });
      const loss = pretrainOf(recipe(good))?.loss;
      expect(loss?.attack === undefined).toBe(!attacked);
      expect(loss && buildLoss(loss, threat)).toMatchObject({ name, threat });
    });
  },
);

test("overfittingAlarm is one of three words, and left to the loss by default", () => {
  expect(pretrainOf(recipe("{ name: fgsm-rs }"))?.overfittingAlarm).toBe(undefined);
  expect(pretrainOf(recipe("{ name: fgsm-rs }", ", overfittingAlarm: stop"))?.overfittingAlarm).toBe("stop");
  expect(() => pretrainOf(recipe("{ name: fgsm-rs }", ", overfittingAlarm: yes"))).toThrow(
    "expected stages.pretrain.overfittingAlarm to be one of warn, stop, off",
  );
});
