import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { liveTensors, scope, tensor } from "../torch/index.js";
import { planeDisplacement } from "./fab-projection.js";

interface Plane {
  readonly t: readonly number[];
  readonly w: readonly number[];
  readonly b: number;
}
const dot = (a: readonly number[], b: readonly number[]) =>
  a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
const gapOf = ({ t, w, b }: Plane) => dot(w, t) - b;
const norms = {
  linf: (d: readonly number[]) => Math.max(...d.map(Math.abs)),
  l2: (d: readonly number[]) => Math.hypot(...d),
  l1: (d: readonly number[]) => d.reduce((sum, value) => sum + Math.abs(value), 0),
};
type Norm = keyof typeof norms;

function displacements(norm: Norm, planes: readonly Plane[]): number[][] {
  const width = planes[0]?.t.length as number;
  const rows = (of: (plane: Plane) => readonly number[]) =>
    tensor(Float64Array.from(planes.flatMap(of)), [planes.length, width]);
  const gap = tensor(Float64Array.from(planes, gapOf));
  const flat = scope(() =>
    planeDisplacement(
      norm,
      rows(({ t }) => t),
      rows(({ w }) => w),
      gap,
    ),
  ).toNumbers();
  return planes.map((_, i) => flat.slice(i * width, (i + 1) * width));
}

/** All lists of this length over these choices. */
function combinations<T>(choices: readonly T[], length: number): T[][] {
  return length === 0
    ? [[]]
    : combinations(choices, length - 1).flatMap((rest) => choices.map((one) => [...rest, one]));
}

/**
 * The least norm of a displacement to the plane inside the box, by trying every set of coordinates that use up their
 * room; undefined where the plane is out of reach. The others move by one length (linf), in proportion to |w| (l2), or
 * all but one stay (l1, where an optimum is at a vertex).
 */
function bruteForce(norm: Norm, { t, w, b }: Plane): number | undefined {
  const gap = dot(w, t) - b;
  const side = w.map((value) => -Math.sign(value) * Math.sign(gap));
  const room = side.map((s, i) => (s === 0 ? 0 : s < 0 ? (t[i] as number) : 1 - (t[i] as number)));
  const kinds = norm === "l1" ? (["full", "stay", "free"] as const) : (["full", "free"] as const);
  const lengths = combinations<"full" | "stay" | "free">(kinds, t.length).flatMap((kind) => {
    const free = kind.flatMap((k, i) => (k === "free" ? [i] : []));
    if (norm === "l1" && free.length > 1) return [];
    const used = kind.reduce(
      (sum, k, i) => (k === "full" ? sum + Math.abs(w[i] as number) * (room[i] as number) : sum),
      0,
    );
    const gain = free.reduce((sum, i) => sum + Math.abs(w[i] as number) ** (norm === "l2" ? 2 : 1), 0);
    const s = gain > 0 ? (Math.abs(gap) - used) / gain : 0;
    if (gain === 0 && Math.abs(used - Math.abs(gap)) > 1e-9) return [];
    const move = kind.map((k, i) => {
      if (k !== "free") return k === "full" ? (room[i] as number) : 0;
      return norm === "l2" ? s * Math.abs(w[i] as number) : w[i] === 0 ? 0 : s;
    });
    return move.every((m, i) => m >= -1e-12 && m <= (room[i] as number) + 1e-12) ? [norms[norm](move)] : [];
  });
  return lengths.length > 0 ? Math.min(...lengths) : undefined;
}

const share = fc.integer({ min: 0, max: 20 }).map((n) => n / 20);
const slope = fc.integer({ min: -30, max: 30 }).map((n) => n / 10);
const planes = (width: number) =>
  fc.record({
    t: fc.array(share, { minLength: width, maxLength: width }),
    w: fc.array(slope, { minLength: width, maxLength: width }),
    b: fc.double({ min: -4, max: 4, noNaN: true }),
  });

describe.each(Object.keys(norms) as Norm[])("in %s", (norm) => {
  test("is as short as brute force finds, inside the box, and ends on the plane", () => {
    let met = 0;
    fc.assert(
      fc.property(fc.array(planes(4), { minLength: 1, maxLength: 6 }), (batch) => {
        for (const [i, d] of displacements(norm, batch).entries()) {
          const plane = batch[i] as Plane;
          const end = plane.t.map((value, k) => value + (d[k] as number));
          for (const value of end) expect(Math.abs(value - 0.5)).toBeLessThanOrEqual(0.5 + 1e-12);
          const least = bruteForce(norm, plane);
          if (least === undefined) continue;
          met += 1;
          expect(dot(plane.w, end)).toBeCloseTo(plane.b, 9);
          expect(norms[norm](d)).toBeCloseTo(least, 9);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
    expect(met).toBeGreaterThan(100);
  });

  test("goes to the nearest corner where the plane is out of reach, and nowhere on the plane itself", () => {
    const t = [0.2, 0.7, 1];
    const w = [1, -2, 0];
    expect(
      displacements(norm, [
        { t, w, b: 9 },
        { t, w, b: -9 },
        { t, w, b: dot(w, t) },
      ]),
    ).toEqual([
      [0.8, -0.7, 0].map((value) => expect.closeTo(value, 12)),
      [-0.2, 0.3, 0].map((value) => expect.closeTo(value, 12)),
      [0, 0, 0].map((value) => expect.closeTo(value, 12)),
    ]);
  });

  test("of a row does not depend on the others, to the last bit", () => {
    const many = fc.sample(planes(40), { numRuns: 30, seed: 2 });
    const live = liveTensors();
    const all = scope(() => displacements(norm, many));
    expect(liveTensors()).toBe(live);
    for (const [i, plane] of many.entries()) expect(displacements(norm, [plane])[0]).toEqual(all[i]);
  });
});
