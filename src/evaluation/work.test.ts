import { describe, expect, test } from "vitest";
import { linf } from "../attacks/index.js";
import { runNames } from "./description.js";
import { Ledger } from "./ledger.js";
import type { Line } from "./lines.js";
import { type AttackSpec, buildAttacks, presets } from "./presets.js";
import { plannedRuns } from "./unit.js";
import { passesOf, Workload } from "./work.js";

const planned = (list: readonly AttackSpec[]) =>
  buildAttacks(list, linf({ eps: "8/255" })).flatMap((attack) => plannedRuns(attack, runNames(attack)));
const runs = planned(presets["aa-standard"].lists.linf);
const spent = { passes: [0, 0] as [number, number], seconds: 0 };
const range = (block: number) => [block * 128, block * 128 + 128] as const;

const clean = (block: number, right: number): Line => ({
  ...{ kind: "clean", block, labels: Array(128).fill(0), ...spent },
  predictions: Array.from({ length: 128 }, (_, i) => (i < right ? 0 : 1)),
});
const unit = (at: { attack: string; run: string; block: number }, tried: number, broken: readonly number[]): Line => ({
  ...{ kind: "unit", ...at, part: 0, last: true, zeroGradient: [], points: null, tried, ...spent },
  broken: broken.map((at) => ({ at, step: 1, norm: 0.01, class: 1 })),
});

function workload(blocks: readonly number[], options: { leave?: boolean; individual?: boolean } = {}) {
  const ledger = new Ledger(256);
  const work = new Workload({ runs, classes: 10, blocks, range, leave: true, individual: false, ...options });
  const apply = (line: Line) => {
    ledger.apply(line);
    work.apply(line);
  };
  return { work, apply, now: (share = 0) => work.now(ledger, share) };
}

test("Square is more than half of AutoAttack where all images stand", () => {
  const passes = runs.map((run) => passesOf(run, 10));
  const all = passes.reduce((sum, each) => sum + each, 0);
  expect(passes.at(-1)).toBe(5000);
  expect((passes.at(-1) as number) / all).toBeGreaterThan(0.5);
  // Nothing is done for a class that is not there.
  expect(runs.filter((run) => passesOf(run, 3) === 0)).toHaveLength(2 * 7);
  const others = planned([
    { name: "fab" },
    { name: "apgd-ce", options: { eot: 20 } },
    { name: "pgd", options: { restarts: 3 } },
  ]);
  expect(others.map((run) => passesOf(run, 10))).toEqual([1100, 4000, 60]);
});

describe("the shares of a list", () => {
  test("sum to 1, whatever breaks, and Square's is the last", () => {
    const { work, apply, now } = workload([0, 1]);
    expect(now()).toMatchObject({ done: 0 });
    const shares = [0];
    const told = () => {
      const { done, of } = now();
      expect(done / of).toBeGreaterThanOrEqual(shares.at(-1) as number);
      shares.push(done / of);
    };
    for (const block of [0, 1]) {
      apply(clean(block, 100));
      told();
    }
    for (const [i, run] of runs.entries()) {
      for (const block of [0, 1]) {
        work.begin(run, 100);
        const at = { attack: run.attack.name, run: run.name, block };
        apply(unit(at, i === 0 ? 100 : 90, i === 0 ? [...Array(10).keys()].map((k) => block * 128 + k) : []));
        told();
      }
    }
    const steps = shares.slice(1).map((share, i) => share - (shares[i] as number));
    expect(steps.reduce((sum, step) => sum + step, 0)).toBeCloseTo(1, 12);
    expect((steps.at(-1) as number) + (steps.at(-2) as number)).toBeGreaterThan(0.5);
    expect(now().done).toBe(now().of);
  });

  test("count the unit under way, and no other process's blocks", () => {
    const { work, apply, now } = workload([1]);
    apply(clean(0, 128));
    expect(now().done).toBe(0);
    apply(clean(1, 100));
    work.begin(runs[0] as (typeof runs)[0], 100);
    expect(now(0.5).done).toBe(128 + 0.5 * 100 * 200);
    expect(now().of).toBe(128 + 100 * runs.reduce((sum, run) => sum + passesOf(run, 10), 0));
  });

  test("count broken images where these do not leave, or every attack is on all", () => {
    const broken = [0, 1, 2, 3];
    const first = { attack: "apgd-ce", run: "", block: 0 };
    const staying = workload([0], { leave: false });
    const apart = workload([0], { individual: true });
    for (const { apply } of [staying, apart]) {
      apply(clean(0, 100));
      apply(unit(first, 100, broken));
    }
    const others = runs.slice(1).reduce((sum, run) => sum + passesOf(run, 10), 0);
    expect(staying.now()).toEqual({ done: 128 + 200 * 100, of: 128 + 200 * 100 + others * 96 });
    expect(apart.now()).toEqual({ done: 128 + 200 * 96, of: 128 + 200 * 96 + others * 100 });
  });
});
