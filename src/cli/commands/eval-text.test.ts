import { expect, test } from "vitest";
import type { VerifyResult } from "../jobs/eval-options.js";
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
