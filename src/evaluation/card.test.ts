import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { robustnessOf } from "../../test/support/robustness.js";
import { describedModel } from "../models/index.js";
import { tensor } from "../torch/index.js";
import { wilson } from "../util/index.js";
import {
  type Card,
  cardMarkdown,
  classAccuracies,
  makeCard,
  maskHash,
  provenance,
  rangesOf,
  writeCard,
} from "./card.js";
import type { Distances } from "./distances.js";
import { pruningBenchmarkClaim, robustBenchEntry } from "./formats.js";
import { securityCurve } from "./security-curve.js";

const description = {
  name: "line",
  input: [1, 2, 1],
  classes: 2,
  ops: [{ op: "flatten" }, { op: "linear", name: "fc", in: 2, out: 2 }],
};

const network = (weights: readonly number[]) =>
  describedModel(
    description,
    new Map([
      ["fc.weight", tensor(weights, [2, 2], { dtype: "float32" })],
      ["fc.bias", tensor([0, 0], [2], { dtype: "float32" })],
    ]),
  );

function cardOf(changes = {}): Card {
  const found = robustnessOf(
    [
      { index: 0, label: 0, clean: 0, brokenBy: null },
      { index: 1, label: 1, clean: 1, brokenBy: "apgd-ce" },
      { index: 2, label: 1, clean: 1, brokenBy: null },
      { index: 9, label: 1, clean: 0, brokenBy: "clean" },
    ],
    { preset: "aa-standard", ...changes },
  );
  const source = { kind: "safetensors", location: "x", sha256: "dd" };
  const data = { name: "cifar10 test", source, classNames: ["cat", "a|b"] };
  return makeCard(
    found,
    provenance(network([0, 1, 2, 0]), data, { name: "m.safetensors", sha256: "ee", versions: { torch: "1.13" } }),
  );
}

test("a card has what the issue lists", () => {
  const card = cardOf();
  expect(card).toMatchObject({
    format: 1,
    model: { file: "m.safetensors", weights: "ee", arch: "line", parameters: 6, sparsity: { total: 0.5 } },
    data: {
      name: "cifar10 test",
      sha256: "dd",
      classNames: ["cat", "a|b"],
      indices: [
        [0, 2],
        [9, 9],
      ],
    },
    norm: "linf",
    eps: "8/255",
    examples: 4,
    seed: 0,
    cleanAccuracy: 0.75,
    robustAccuracy: 0.5,
    after: { clean: 0.75, "apgd-ce": 0.5 },
    passes: { forward: 12, backward: 5 },
    checks: [],
  });
  expect(card.model.sparsity.layers).toEqual({ "fc.weight": 0.5 });
  expect(Object.keys(card.versions)).toEqual(["s2ap", "torch"]);
  expect(card).not.toHaveProperty("images");
  expect(card.classes.map((c) => [c.name, c.examples, c.cleanAccuracy, c.robustAccuracy])).toEqual([
    ["cat", 1, 1, 1],
    ["a|b", 3, 2 / 3, 1 / 3],
  ]);
});

test("it says how the attacks were set and what searched", () => {
  const { attacks } = cardOf();
  const card = cardOf({
    attacks: attacks.map((each) => ({ ...each, options: { steps: 2, loss: "ce", eot: null } })),
    ...{ search: "folded bfloat16", leave: true },
  });
  expect(card).toMatchObject({
    attacks: [{ options: { steps: 2, loss: "ce" } }],
    search: "folded bfloat16",
    leave: true,
  });
  const text = cardMarkdown(card);
  expect(text).toContain("| options of apgd-ce | steps 2, loss ce, eot null |");
  expect(text).toContain("| search | folded bfloat16; broken images leave |");
  expect(cardMarkdown({ ...card, search: "exact", leave: false })).toContain(
    "| search | exact; broken images stay to the end |",
  );
});

test("the mask's hash is of the zeros, not of the values", () => {
  const hash = (weights: readonly number[]) => maskHash(network(weights).params, ["fc.weight"]);
  expect(hash([0, 1, 2, 0])).toBe(hash([0, 7, -3, 0]));
  expect(hash([0, 1, 2, 0])).not.toBe(hash([1, 0, 2, 0]));
});

test("ranges", () => {
  expect(rangesOf([])).toEqual([]);
  expect(rangesOf([3, 1, 2, 7])).toEqual([
    [1, 3],
    [7, 7],
  ]);
});

test("classes beyond the names are numbered", () => {
  const { images } = robustnessOf([{ index: 0, label: 5, clean: 5, brokenBy: null }]);
  expect(classAccuracies(images, [])).toMatchObject([{ name: "class 5", examples: 1, robustAccuracy: 1 }]);
});

test("as Markdown it names checks and an early end, and a bar in a name breaks no table", () => {
  const checks = [{ code: "zero-gradient", severity: "warning" as const, message: "No gradient.", values: {} }];
  const verdict = { question: "robust < 0.40", answer: true, bound: 0.39, early: true };
  const text = cardMarkdown(cardOf({ checks, verdict }));
  expect(text).toContain("Robust accuracy **at most 50.00 %**");
  expect(text).toContain("- warning `zero-gradient`: No gradient.");
  expect(text).toContain("Ended early: *robust < 0.40* is true; known bound 39.00 %.");
  expect(text).toContain("| a\\|b | 3 | 66.67 % | 33.33 % |");
  expect(text).toContain("| fc.weight | 50.00 % |");
  expect(text).toContain("| images | 4: 0 to 2, 9 |");
});

test("attacks that an early end left out have no row, and a question that ended nothing is told of as such", () => {
  const [ran] = cardOf().attacks;
  const never = { ...ran, attack: "square", tried: 0, broken: 0, skipped: true };
  const text = cardMarkdown(cardOf({ attacks: [ran, never] }));
  expect(text).toContain("| apgd-ce | 3 |");
  expect(text).not.toContain("| square |");
  const verdict = { question: "robust > 1 %", answer: true, bound: 0.5 };
  const asked = cardMarkdown(cardOf({ verdict }));
  expect(asked).toContain("Robust accuracy **50.00 %**");
  expect(asked).toContain("Asked: *robust > 1 %* is true; known bound 50.00 %.");
});

test("attacks on all images have a column for what each leaves alone", () => {
  const [ran] = cardOf().attacks;
  const text = cardMarkdown(cardOf({ attacks: [{ ...ran, alone: 0.625 }] }));
  const [head, , clean, row] = text.split("\n").filter((line) => line.startsWith("|"));
  expect(head).toContain("| 95 % interval | robust alone | forward |");
  expect(row).toContain("| 62.50 % | 12 | 5 | 2.0 |");
  expect(clean?.split("|")).toHaveLength(head?.split("|").length ?? 0);
  expect(cardMarkdown(cardOf())).not.toContain("robust alone");
});

test("it is written as both", () => {
  const folder = mkdtempSync(join(tmpdir(), "s2ap-card-"));
  try {
    const card = cardOf();
    writeCard(folder, card);
    expect(JSON.parse(readFileSync(join(folder, "card.json"), "utf8"))).toEqual(card);
    expect(readFileSync(join(folder, "card.md"), "utf8")).toBe(cardMarkdown(card));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("RobustBench's entry: percent as text, eps as written", () => {
  expect(robustBenchEntry(cardOf({ eps: "0.031" }), { venue: "X 2026", additionalData: true })).toEqual({
    link: "",
    name: "",
    authors: "",
    additional_data: true,
    number_forward_passes: 1,
    dataset: "cifar10",
    venue: "X 2026",
    architecture: "line",
    eps: "0.031",
    clean_acc: "75.00",
    reported: "",
    autoattack_acc: "50.00",
    unreliable: false,
    footnote: "aa-standard, linf eps 0.031, 4 test images, seed 0; 50.00 % of the prunable weights are zero.",
  });
});

test("a number that is not AutoAttack's is no entry", () => {
  expect(() => robustBenchEntry(cardOf({ preset: "apgd" }))).toThrow(/whole of AutoAttack, got apgd/);
  const verdict = { question: "robust < 0.40", answer: true, bound: 0.39 };
  expect(() => robustBenchEntry(cardOf({ verdict }))).toThrow(/ended early/);
});

test("the pruning benchmark's claim", () => {
  const text = pruningBenchmarkClaim([
    { card: cardOf(), options: { key: "A_90" } },
    { card: cardOf(), options: { key: "A_95", hoFmn: 0.415 } },
  ]);
  expect(text).toContain('## Evaluation Results of Model n°2\n\n_Model GDrive:_ "A_95" : ["<id>", ".safetensors"]');
  expect(text).toContain("_Clean Accuracy:_ 75.00\n_Robust Accuracy (AA):_ 50.00\n_Robust Accuracy (HO-FMN):_ 41.50");
  expect(text).toContain("_Robust Accuracy (HO-FMN):_ not measured");
});

test("a claim in another norm than the benchmark's is refused", () => {
  const card = cardOf({ preset: "ap-benchmark", norm: "l2", eps: "0.031" });
  expect(() => pruningBenchmarkClaim([{ card, options: {} }])).toThrow(/expected a card in linf, got l2 0.031/);
});

test("minimum norms stand in the card and in the claim", () => {
  const indices = [2048, 2049, 2050, 2051];
  const minimumNorm: Distances = {
    ...{ attack: "fmn", options: { steps: 200, loss: "dlr" }, norm: "linf", examples: 4, indices },
    ...{ distances: [0, 0.01, 0.05, null], medianDistance: 0.05, cleanAccuracy: 0.75, eps: "8/255" },
    ...{ robustAccuracy: 0.5, interval: wilson(2, 4), curve: securityCurve([0, 0.01, 0.05, Infinity]) },
    ...{ passes: { forward: 200, backward: 200 }, seconds: 1 },
  };
  const card = { ...cardOf({ preset: "ap-benchmark" }), minimumNorm };
  const page = cardMarkdown(card);
  expect(page).toContain("| images | 4: 2048 to 2051 |");
  expect(page).toContain("| robust, distance above linf 8/255 | 50.00 % |");
  expect(page).toContain("| no misclassified point found | 1 |");
  expect(cardMarkdown(cardOf())).not.toContain("Minimum norms");
  const claim = pruningBenchmarkClaim([{ card, options: {} }]);
  expect(claim).toContain('_Model GDrive:_ "<model key>" : ["<id>", ".safetensors"]');
  expect(claim).toContain("_Robust Accuracy (HO-FMN):_ 50.00");
  expect(claim).toContain("FMN with 200 steps on the loss dlr, its options not searched for, images 2048 to 2051");
  const searched = { ...card, minimumNorm: { ...minimumNorm, trials: 32 } };
  expect(pruningBenchmarkClaim([{ card: searched, options: {} }])).toContain(
    "FMN with 200 steps on the loss dlr, its options the best of 32 trials, images 2048 to 2051",
  );
  expect(page).not.toContain("trials");
  expect(cardMarkdown(searched)).toContain("| options | the best of 32 trials |");
});
