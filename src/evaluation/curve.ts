// By itself, so that reports can draw curves without loading libtorch.
import { expected, UsageError, wilson } from "../util/index.js";

/** From this radius on, up to the next point's, this share of the images stands. */
export interface CurvePoint {
  readonly radius: number;
  readonly robustAccuracy: number;
  /** 95 % Wilson interval. */
  readonly low: number;
  readonly high: number;
}

/** Robust accuracy as a function of the radius, exactly: it falls at the distance of each image. */
export interface SecurityCurve {
  readonly examples: number;
  /** By ascending radius, the first at 0. */
  readonly points: readonly CurvePoint[];
}

/**
 * The share of images whose distance is greater than r, for every r >= 0. Distances are 0 for clean mistakes and +inf where
 * nothing was found. They are upper bounds, so the curve is one.
 */
export function securityCurve(distances: ArrayLike<number>): SecurityCurve {
  const sorted = Array.from(distances).sort((a, b) => a - b);
  const bad = sorted.find((distance) => !(distance >= 0));
  if (sorted.length === 0 || bad !== undefined) {
    const got = bad === undefined ? "none" : bad;
    throw new UsageError(expected("securityCurve", "distances that are numbers >= 0", got));
  }
  const examples = sorted.length;
  const points: CurvePoint[] = [];
  const add = (radius: number, standing: number) => {
    const [low, high] = wilson(standing, examples);
    points.push({ radius, robustAccuracy: standing / examples, low, high });
  };
  if (sorted[0] !== 0) add(0, examples);
  for (const [i, distance] of sorted.entries()) {
    if (distance !== Number.POSITIVE_INFINITY && distance !== sorted[i + 1]) add(distance, examples - i - 1);
  }
  return { examples, points };
}

/** The curve's point that holds at a radius. */
export function curveAt({ points }: SecurityCurve, radius: number): CurvePoint {
  if (!(radius >= 0)) throw new UsageError(expected("curveAt", "a radius >= 0", radius));
  return points.findLast((point) => point.radius <= radius) as CurvePoint;
}
