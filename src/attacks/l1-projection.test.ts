import { describe, expect, test } from "vitest";
import { manualSeed, ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { l1Project } from "./l1-projection.js";
import { changeNorm, projector } from "./project.js";
import { l1, l2, linf, type Threat } from "./threat.js";
import { reach } from "./verify.js";

const [rows, pixels] = [8, 6];
const norms: readonly ["linf" | "l2" | "l1", (eps: string) => Threat][] = [
  ["linf", (eps) => linf({ eps })],
  ["l2", (eps) => l2({ eps })],
  ["l1", (eps) => l1({ eps })],
];

/** Images with pixels on the box's faces, and points up to well outside of it. */
function draw(seed: number, size = pixels, dtype: "float32" | "float64" = "float64") {
  manualSeed(rng(seed, "projection"));
  const uniform = (low: number, high: number) =>
    ops.uniform_(ops.empty([rows, 1, 1, size], { dtype }), { low, to: high });
  const x = ops.clamp(uniform(-0.3, 1.3), { min: 0, max: 1 });
  return { x, point: ops.add(x, uniform(-1.5, 1.5)) };
}

/** Euclidean distances of two sets of points, by row. */
const apart = (a: Tensor, b: Tensor) => changeNorm("l2", a, b).toNumbers();

describe.each(norms)("%s", (_, threatOf) => {
  test.each(["0", "0.2", "0.9", "30"])("a projection with eps %s is feasible and leaves feasible points", (eps) => {
    const threat = threatOf(threatEps(eps, threatOf));
    for (let seed = 0; seed < 10; seed++) {
      scope(() => {
        const { x, point } = draw(seed);
        const project = projector(threat, x);
        const found = project(point);
        expect(ops.amax(changeNorm(threat.norm, x, found)).item()).toBeLessThanOrEqual(threat.eps + 1e-12);
        expect([ops.amin(found).item() >= 0, ops.amax(found).item() <= 1]).toEqual([true, true]);
        expect(ops.amax(ops.abs(ops.sub(project(found), found))).item()).toBeLessThan(1e-12);
      });
    }
  });
});

/** Linf allows no more than 1. */
const threatEps = (eps: string, threatOf: (eps: string) => Threat) =>
  Number(eps) > 1 && threatOf === norms[0]?.[1] ? "1" : eps;

describe.each([
  ["linf", linf({ eps: "0.2" }), 1],
  ["l1", l1({ eps: "0.9" }), 1],
  // In L2 the box clips what the ball left: it is the nearest point where the whole ball lies in the box.
  ["l2", l2({ eps: "0.4" }), 0.2],
] as const)("no point of ball and box is nearer than the projection: %s", (_, threat, spread) => {
  test("of all points on a grid, and of many near the projection", () => {
    for (let seed = 0; seed < 8; seed++) {
      scope(() => {
        const drawn = draw(seed, 2);
        const { point } = drawn;
        const x = ops.add(ops.mul(ops.sub(drawn.x, 0.5), spread), 0.5);
        const found = projector(threat, x)(point);
        const least = apart(point, found);
        const better = (other: Tensor) => {
          const inside = changeNorm(threat.norm, x, other)
            .toNumbers()
            .map((norm) => norm <= threat.eps);
          return apart(point, other).filter((distance, i) => inside[i] && distance < (least[i] as number) - 1e-9)
            .length;
        };
        let count = 0;
        for (let i = 0; i <= 20; i++) {
          for (let j = 0; j <= 20; j++) {
            const corner = ops.reshape(ops.cat([ops.full([1], i / 20), ops.full([1], j / 20)]), [1, 1, 1, 2]);
            count += better(ops.expand(ops.to(corner, "float64"), x.shape));
          }
        }
        manualSeed(rng(seed, "near"));
        for (let i = 0; i < 50; i++) {
          const shift = ops.uniform_(ops.emptyLike(x), { low: -0.02, to: 0.02 });
          count += better(ops.clamp(ops.add(found, shift), { min: 0, max: 1 }));
        }
        expect(count).toBe(0);
      });
    }
  });
});

test("the L1 projection meets the conditions of optimality in many dimensions", () => {
  const eps = 5;
  for (let seed = 0; seed < 5; seed++) {
    scope(() => {
      const { x, point } = draw(seed, 200);
      const found = l1Project(x, point, eps);
      const numbers = [x, point, found].map((t) => t.toNumbers()) as [number[], number[], number[]];
      for (let row = 0; row < rows; row++) {
        const [clean, wish, end] = numbers.map((all) => all.slice(row * 200, (row + 1) * 200)) as [
          number[],
          number[],
          number[],
        ];
        const inner = end.flatMap((value, i) => {
          const [moved, wanted] = [value - (clean[i] as number), (wish[i] as number) - (clean[i] as number)];
          return Math.abs(moved) > 1e-12 && value > 0 && value < 1 ? [Math.abs(wanted) - Math.abs(moved)] : [];
        });
        // All pixels that move and are not stopped by the box gave up the same length, and no other one as little.
        const [least, most] = [Math.min(...inner), Math.max(...inner)];
        expect(most - least).toBeLessThan(1e-12);
        const still = end
          .map((value, i) => (Math.abs(value - (clean[i] as number)) <= 1e-12 ? i : -1))
          .filter((i) => i >= 0);
        for (const i of still) {
          const wanted = (wish[i] as number) - (clean[i] as number);
          const room = wanted > 0 ? 1 - (clean[i] as number) : (clean[i] as number);
          expect(Math.min(Math.abs(wanted) - most, room)).toBeLessThan(1e-12);
        }
        const length = end.reduce((sum, value, i) => sum + Math.abs(value - (clean[i] as number)), 0);
        expect(length).toBeCloseTo(eps, 10);
      }
    });
  }
});

test.each(["0.01", "0.5", "12"])("in float32, thousands of pixels stay within eps %s", (eps) => {
  const threat = l1({ eps });
  for (let seed = 0; seed < 4; seed++) {
    scope(() => {
      const { x, point } = draw(seed, 3072, "float32");
      const found = projector(threat, x)(point);
      expect(found.dtype).toBe("float32");
      const longest = changeNorm("l1", x, found).toNumbers();
      for (const length of longest) {
        expect(length).toBeLessThanOrEqual(reach(threat));
        expect(length).toBeGreaterThan(threat.eps * 0.99);
      }
      expect([ops.amin(found).item() >= 0, ops.amax(found).item() <= 1]).toEqual([true, true]);
    });
  }
});
