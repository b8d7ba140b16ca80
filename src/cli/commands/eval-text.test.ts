import { expect, test } from "vitest";
import { robustnessOf } from "../../../test/support/robustness.js";
import type { AttackOutcome } from "../../evaluation/index.js";
import type { EvalResult, VerifyResult } from "../jobs/eval-options.js";
import { answerText } from "./eval-text.js";

const verified: VerifyResult = {
  ...{ kind: "verified", images: "data", record: "evals/a", examples: 10, cleanAccuracy: 0.9, recorded: 0.5 },
  ...{
    holds: true,
    claimed: 5,
    confirmed: 5,
    failures: [],
    contradictions: [],
    robustAccuracy: 0.5,
    sameWeights: true,
  },
};

test("a record that is verified has one verdict", () => {
  const lines = (changes: Partial<VerifyResult>) =>
    answerText({ ...verified, ...changes })
      .split("\n")
      .slice(1);
  expect(lines({})).toEqual(["the record holds: robust accuracy is at most 50.0 %"]);
  expect(lines({ holds: false, sameWeights: false })).toEqual([
    "the record does not hold for this network, whose weights are not those of the record; its points leave at most " +
      "50.0 % of the images to these weights",
  ]);
  expect(lines({ images: "kept" })[1]).toContain("not compared with its data set");
  const failures = [{ index: 3, reason: "there is no point for it" }];
  const contradictions = ["result.json has robustAccuracy 0.9, its images give 0.5"];
  expect(lines({ holds: false, failures, contradictions })).toEqual([
    "the record does not hold:",
    "  result.json has robustAccuracy 0.9, its images give 0.5",
    "  image 3: there is no point for it",
  ]);
});

const attacked: EvalResult = {
  ...robustnessOf([
    { index: 0, label: 0, clean: 0, brokenBy: null },
    { index: 1, label: 1, clean: 1, brokenBy: "apgd-ce" },
  ]),
  ...{ kind: "evaluation", status: "done", model: "m.safetensors", weights: "aa", seed: 0, versions: {}, results: [] },
  data: { name: "made", sha256: "dd" },
};

test("attacks that an early end left out are named, and have no row", () => {
  const [ran] = attacked.attacks as [AttackOutcome];
  const attacks: AttackOutcome[] = [ran, { ...ran, attack: "square", tried: 0, broken: 0, skipped: true }];
  const verdict = { question: "robust < 60 %", answer: true, bound: 0.5, early: true } as const;
  const text = answerText({ ...attacked, attacks, verdict });
  expect(text).toMatch(/^apgd-ce /m);
  expect(text).not.toMatch(/^square/m);
  expect(text).toContain("robust < 60 %: yes, robust accuracy is at most 50.0 %\nnot run: square\n");
  expect(answerText(attacked)).not.toContain("not run");
});

test("attacks on all images are shown with what each leaves alone", () => {
  const [ran] = attacked.attacks as [AttackOutcome];
  const text = answerText({ ...attacked, attacks: [{ ...ran, alone: 0.625 }] });
  expect(text).toMatch(/^after .* alone$/m);
  expect(text).toMatch(/^apgd-ce .* 62\.5 %$/m);
  expect(answerText(attacked)).not.toContain("alone");
});
