import { describe, expect, test } from "vitest";
import { countPasses } from "../nn/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { apgdCe, apgdDlr, apgdTargeted } from "./apgd.js";
import { radiusPhases } from "./apgd-schedule.js";
import { apgdSearch } from "./apgd-search.js";
import type { Victim } from "./attack.js";
import { fgsm } from "./fgsm.js";
import { pgd } from "./pgd.js";
import { changeNorm } from "./project.js";
import { runSearch, type SearchProgress } from "./search.js";
import { l1, l2, linf, type Threat } from "./threat.js";

const images = 6;

/** Fixed weights from pixels to classes, and how far the label, 0, lies above by itself. */
function linear(classes: number, { confidence = 0 }: { readonly confidence?: number } = {}): Victim {
  const passes = countPasses();
  const weight = Float32Array.from({ length: classes * 12 }, (_, i) => Math.sin(3 * i + 1));
  const bias = Float32Array.from({ length: classes }, (_, i) => (i === 0 ? confidence : -i / 10));
  return {
    passes,
    logits(x: Tensor) {
      passes.forward += 1;
      return ops.linear(ops.reshape(x, [-1, 12]), tensor(weight, [classes, 12]), { bias: tensor(bias) });
    },
  };
}

const threats: readonly Threat[] = [linf({ eps: "0.1" }), l2({ eps: "0.4" }), l1({ eps: "1.5" })];
const context = (victim: Victim, start?: Tensor) => ({
  x: ops.full([images, 3, 2, 2], { float: 0.45 }),
  y: ops.zeros([images], { dtype: "int64" }),
  target: ops.ones([images], { dtype: "int64" }),
  indices: Int32Array.from({ length: images }, (_, i) => i),
  victim,
  start,
  rng: rng(4, "apgd"),
});

describe.each(threats)("in $norm", (threat) => {
  test("takes one pass a step and one for each start, and no gradient in the last", () => {
    scope(() => {
      const given = context(linear(5, { confidence: 30 }));
      runSearch(apgdSearch(threat, { steps: 10, loss: "ce" }), threat, given);
      const starts = threat.norm === "l1" ? 3 : 1;
      // Two more look at the last point: in the last step, and to judge what was found.
      expect(given.victim.passes).toMatchObject({ forward: 10 + starts + 1, backward: 10 });
    });
  });

  test("the best loss never falls, and all points lie inside the ball and the box", () => {
    scope(() => {
      const given = context(linear(5, { confidence: 3 }));
      let before = new Array<number>(images).fill(-Infinity);
      const radius = (step: number) => (threat.norm !== "l1" ? 1 : step <= 6 ? 3 : step <= 12 ? 2 : 1);
      const onStep = ({ step, state }: SearchProgress) => {
        const [x, best] = [state.x as Tensor, (state.lossBest as Tensor).toNumbers()];
        const longest = ops.amax(changeNorm(threat.norm, given.x, x)).item();
        expect(longest).toBeLessThanOrEqual(threat.eps * radius(step) * (1 + 1e-6) + 1e-7);
        expect([ops.amin(x).item() >= 0, ops.amax(x).item() <= 1]).toEqual([true, true]);
        const narrows = radius(step) !== radius(step - 1);
        for (const [i, loss] of best.entries()) if (!narrows) expect(loss).toBeGreaterThanOrEqual(before[i] as number);
        before = best;
      };
      const { state } = runSearch(apgdSearch(threat, { steps: 20, loss: "ce" }), threat, given, {
        leave: false,
        onStep,
      });
      expect(ops.amin(ops.sub(state.lossBest as Tensor, state.loss as Tensor)).item()).toBeGreaterThanOrEqual(0);
    });
  });

  test.each(["ce", "dlr", "dlr-targeted"] as const)("works with any number of classes, on %s", (loss) => {
    for (const classes of [2, 3, 4, 8]) {
      scope(() => {
        const found = runSearch(
          apgdSearch(threat, { steps: 20, loss }),
          threat,
          context(linear(classes, { confidence: 0.5 })),
        );
        // Where another class passes the label first, a ratio of logits may be stuck below it.
        const broken = found.broken.reduce((sum, flag) => sum + flag, 0);
        expect(broken, `${classes} classes`).toBeGreaterThanOrEqual(loss === "ce" ? images : 4);
      });
    }
  });

  test("averages gradients over passes, and starts where it is told to", () => {
    scope(() => {
      const start = ops.full([images, 3, 2, 2], { float: 0.5 });
      const given = context(linear(5, { confidence: 30 }), start);
      let first: Tensor | undefined;
      const onStep = ({ step, state }: SearchProgress) => {
        if (step === 0) first = ops.clone(state.x as Tensor);
      };
      runSearch(apgdSearch(threat, { steps: 4, loss: "ce", eot: 3 }), threat, given, { onStep });
      expect(first?.toArray()).toEqual(start.toArray());
      expect(given.victim.passes).toMatchObject({ forward: 4 * 3 + 2, backward: 4 * 3 });
    });
  });
});

test("a gradient that is zero at the start is noted", () => {
  scope(() => {
    const [threat] = threats as [Threat];
    const passes = countPasses();
    const blind: Victim = {
      passes,
      logits: (x) => ops.mul(ops.reshape(ops.slice(ops.flatten(x, { startDim: 1 }), { dim: 1, end: 3 }), [-1, 3]), 0),
    };
    const flags = (victim: Victim) => {
      const { state } = runSearch(apgdSearch(threat, { steps: 1, loss: "dlr" }), threat, context(victim), {
        leave: false,
      });
      return (state.zeroGradient as Tensor).toNumbers();
    };
    expect(flags(blind)).toEqual(new Array(images).fill(1));
    expect(flags(linear(5, { confidence: 1 }))).toEqual(new Array(images).fill(0));
  });
});

test("L1 spends its steps in three radii; few steps all in the last", () => {
  const spent = (steps: number) => radiusPhases(steps).map((phase) => [phase.radii, phase.steps]);
  expect(spent(100)).toEqual([
    [3, 30],
    [2, 30],
    [1, 40],
  ]);
  for (let steps = 1; steps < 120; steps++) {
    const phases = radiusPhases(steps);
    expect(phases.reduce((sum, phase) => sum + phase.steps, 0)).toBe(steps);
    expect(phases.at(-1)?.radii).toBe(1);
  }
});

describe("the attacks", () => {
  test("have one run for each restart, or for each target and restart", () => {
    const keys = ({ runs }: ReturnType<typeof apgdCe>) => runs.map(({ key, rank }) => [...key, rank]);
    const [threat, , sparse] = threats as [Threat, Threat, Threat];
    expect(keys(apgdCe(threat, { restarts: 2 }))).toEqual([
      ["restart", 0, undefined],
      ["restart", 1, undefined],
    ]);
    expect(keys(apgdTargeted(threat)).map(([, rank]) => rank)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(keys(apgdTargeted(sparse)).map(([, rank]) => rank)).toEqual([2, 3, 4, 5, 6]);
    expect(keys(apgdTargeted(threat, { targets: 1, restarts: 2 }))).toEqual([
      ["target", 2, 0, 2],
      ["target", 2, 1, 2],
    ]);
  });

  test("are called by what is unusual about them", () => {
    const [threat] = threats as [Threat];
    expect([apgdCe(threat).name, apgdDlr(threat).name, apgdTargeted(threat).name]).toEqual([
      "apgd-ce",
      "apgd-dlr",
      "apgd-t",
    ]);
    expect(apgdCe(threat, { steps: 20, restarts: 5 }).name).toBe("apgd-ce-20x5");
    expect(apgdDlr(threat, { eot: 20 }).name).toBe("apgd-dlr-eot20");
    expect(apgdTargeted(threat, { targets: 3 }).name).toBe("apgd-t-3targets");
  });

  test("say what they change for few classes", () => {
    const [threat] = threats as [Threat];
    expect(apgdCe(threat).notes(2)).toEqual([]);
    expect(apgdDlr(threat).notes(2)).toHaveLength(1);
    expect(apgdDlr(threat).notes(3)).toEqual([]);
    expect(apgdTargeted(threat).notes(10)).toEqual([]);
    expect(apgdTargeted(threat).notes(9)).toEqual(["8 targets in place of 9"]);
    expect(apgdTargeted(threat).notes(3)).toHaveLength(2);
    expect(apgdTargeted(threat).notes(2)[0]).toBe("1 target in place of 9");
  });
});

test.each([
  ["fgsm", fgsm],
  ["pgd", pgd],
] as const)("%s does not take a ball in L1", (name, make) => {
  expect(() => make(l1({ eps: "12" }))).toThrow(
    `${name}: expected a threat in linf or l2 (apgd-ce searches l1), got "l1"`,
  );
});

test("PGD climbs what its options say, unless the caller has another objective", () => {
  scope(() => {
    const [threat] = threats as [Threat];
    const { x, y } = context(linear(5));
    const end = (objective: "ce" | "dlr" | "margin", given?: Parameters<Victim["logits"]>[0]) => {
      const attack = pgd(threat, { objective, steps: 2, randomStart: false });
      const at = given ? { objective: (logits: Tensor) => ops.neg(ops.select(logits, 1, 3)) } : {};
      return [...(attack.perturb(linear(5), x, y, { rng: rng(1), ...at }).toArray() as Float32Array)];
    };
    expect(end("margin")).not.toEqual(end("ce"));
    expect(end("margin", x)).toEqual(end("ce", x));
    expect([pgd(threat).name, pgd(threat, { objective: "margin" }).name]).toEqual(["pgd-10", "pgd-margin-10"]);
  });
});
