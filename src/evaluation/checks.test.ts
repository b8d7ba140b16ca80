import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { linf, type Victim } from "../attacks/index.js";
import type { Model } from "../models/index.js";
import { countPasses } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import {
  absurdRadius,
  batchDependence,
  checkWeights,
  classNotes,
  firstChecks,
  maskApplied,
  type Probe,
  probabilities,
  randomised,
  squareTooGood,
  zeroGradients,
} from "./checks.js";
import type { Description } from "./description.js";
import type { UnitLine } from "./lines.js";
import { buildAttack } from "./presets.js";
import { type AttackOutcome, CHECK_CODES } from "./robustness.js";

const threat = linf({ eps: "0.1" });

/** Two classes by the sign of a pixel's distance from 0.5. */
const honest = (x: Tensor) => {
  const value = ops.sub(ops.reshape(x, [-1, 1]), 0.5);
  return ops.cat([ops.neg(value), value], { dim: 1 });
};

function probe(logits: (x: Tensor) => Tensor, count = 16): Probe {
  const judge: Victim = { passes: countPasses(), logits };
  const pixels = Float32Array.from({ length: count }, (_, i) => 0.3 + 0.4 * (i % 2));
  const labels = BigInt64Array.from({ length: count }, (_, i) => BigInt(i % 2));
  const correct = Array.from({ length: count }, (_, i) => i);
  return { judge, threat, x: tensor(pixels, [count, 1, 1, 1]), y: tensor(labels), correct };
}
const codes = (check: (probe: Probe) => { readonly code: string }[], logits: (x: Tensor) => Tensor) =>
  scope(() => check(probe(logits)).map(({ code }) => code));

describe("checks that pass images through the network", () => {
  test("say nothing of an honest one", () => {
    for (const check of [randomised, probabilities, batchDependence, absurdRadius]) {
      expect(codes(check, honest)).toEqual([]);
    }
  });

  test("find one that answers differently when asked again", () => {
    let asked = 0;
    expect(codes(randomised, (x) => ops.add(honest(x), asked++ * 0.01))).toEqual(["randomised"]);
  });

  test("find probabilities", () => {
    expect(codes(probabilities, (x) => ops.softmax(honest(x), 1))).toEqual(["probabilities"]);
  });

  test("find logits that depend on the batch", () => {
    const depends = (x: Tensor) => {
      const z = honest(x);
      return ops.sub(z, ops.mul(ops.cat([ops.meanDim(z, [0], { keepdim: true })]), tensor([0.5, 2])));
    };
    expect(codes(batchDependence, depends)).toEqual(["batch-dependence"]);
  });

  test("find one that stands at an absurd radius, because its gradient is of no use", () => {
    const flat = (x: Tensor) => ops.add(honest(ops.detach(x)), ops.mul(ops.sum(x), 0));
    expect(codes(absurdRadius, flat)).toEqual(["robust-at-absurd-eps"]);
  });
});

test("the absurd radius is searched by APGD-CE, which ends once all images are broken", () => {
  scope(() => {
    let asked = 0;
    const counted = probe((x) => {
      asked += 1;
      return honest(x);
    });
    expect([absurdRadius(counted), asked < 40]).toEqual([[], true]);
  });
});

test("a network that answers differently is no news to who averages gradients, whatever the list is called", () => {
  const model = { prunable: [], params: new Map(), buffers: new Map(), numClasses: 2 } as unknown as Model;
  const made = (name: string, options: Readonly<Record<string, unknown>>) => {
    let asked = 0;
    const at = { model, attacks: [buildAttack(name, options, threat)], sparsity: undefined, passes: true };
    return scope(() =>
      firstChecks(
        probe((x) => ops.add(honest(x), asked++ * 0.01)),
        at,
      ).map(({ code }) => code),
    );
  };
  expect(made("apgd-ce", { steps: 3 })).toContain("randomised");
  expect(made("apgd-ce", { steps: 3, eot: 20 })).not.toContain("randomised");
});

test("a claimed sparsity that was not measured is a warning", () => {
  const weight = tensor([0, 0, 0, 1]);
  const model = { prunable: ["w"], params: new Map([["w", weight]]), buffers: new Map() } as unknown as Model;
  expect(maskApplied(model, 0.75)).toEqual([]);
  expect(maskApplied(model, undefined)).toEqual([]);
  // Whole counts: 0.76 of four weights is 3, and 0.78 is beyond what rounding explains.
  expect([0.76, 0.78].map((claimed) => maskApplied(model, claimed).length)).toEqual([0, 1]);
  expect(maskApplied(model, 0.9)).toMatchObject([{ code: "mask-not-applied", values: { measured: 0.75 } }]);
});

test("what is done differently for two classes is noted once, of whichever attack climbs DLR", () => {
  const noted = (name: string, options: Record<string, unknown>) =>
    classNotes([buildAttack(name, options, threat)], 2).map(({ message }) => message);
  const instead = "the plain margin in place of DLR, which needs 3 classes and has 2";
  expect(noted("fmn", { loss: "dlr" })).toEqual([`fmn: ${instead}`]);
  expect(noted("pgd", { objective: "dlr" })).toEqual([`pgd: ${instead}`]);
  expect([noted("fmn", {}), noted("pgd", {})]).toEqual([[], []]);
});

test("weights that are not finite are an error that names them", () => {
  const model = { params: new Map([["w", tensor([1, Number.NaN])]]), buffers: new Map() } as unknown as Model;
  expect(() => checkWeights(model)).toThrow("weights 'w': expected finite numbers");
});

describe("checks of what attacks found", () => {
  const outcome = (attack: string, robustAccuracy: number, tried = 9): AttackOutcome => ({
    ...{ attack, robustAccuracy, tried, broken: 0, interval: [0, 1], passes: { forward: 0, backward: 0 }, seconds: 0 },
  });
  const list = (...names: string[]) =>
    ({ individual: false, attacks: names.map((name) => ({ name })) }) as unknown as Description;
  const description = list("apgd-ce", "apgd-t", "square", "fab-t");

  test("Square much below those before it is a warning, a little below is none", () => {
    const found = (square: number) =>
      squareTooGood(description, [outcome("apgd-ce", 0.5), outcome("apgd-t", 0.45), outcome("square", square)]);
    expect(found(0.449)).toEqual([]);
    expect(found(0.44)).toMatchObject([{ code: "square-too-good", values: { square: 0.44, others: 0.45 } }]);
  });

  test("what later attacks broke does not excuse Square, nor does it accuse", () => {
    const after = [outcome("apgd-ce", 0.5), outcome("square", 0.5), outcome("fab-t", 0.1)];
    expect(squareTooGood(description, after)).toEqual([]);
  });

  test("images without a gradient are named by their place in the data set", () => {
    const line = { attack: "apgd-t", zeroGradient: [0, 2] } as unknown as UnitLine;
    expect(zeroGradients([line, line], Int32Array.of(70, 80, 90))).toMatchObject([
      { code: "zero-gradient", values: { attack: "apgd-t", images: [70, 90] } },
    ]);
    expect(zeroGradients([{ ...line, zeroGradient: [] }], Int32Array.of(70))).toEqual([]);
  });
});

test("the manual has a row for each code that may be raised, and each may be", () => {
  const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");
  const [, section = ""] = read("../../docs/evaluation.md").split("\n## Checks\n");
  const rows = [...(section.split("\n## ")[0] as string).matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, code]) => code);
  expect(rows).toEqual([...CHECK_CODES]);
  const sources = ["./checks.ts", "../cli/jobs/eval-distances.ts"].map(read).join();
  for (const code of CHECK_CODES) expect(sources).toContain(`"${code}"`);
});
