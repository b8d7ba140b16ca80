// Comparing numbers: one line a comparison, so that a failure says by how much. S2AP_VERBOSE=1 prints them all.
import { expect } from "vitest";
import { Tensor } from "../../src/torch/index.js";

type Numbers = Tensor | readonly number[] | number;

const numbers = (value: Numbers): readonly number[] =>
  value instanceof Tensor ? value.toNumbers() : typeof value === "number" ? [value] : value;

/** actual - wanted; equal infinities do not differ. */
const differences = (actual: readonly number[], wanted: readonly number[]) =>
  actual.map((value, i) => (value === wanted[i] ? 0 : value - (wanted[i] as number)));
const largest = (values: readonly number[]) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const norm = (values: readonly number[]) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

function deviation(actual: readonly number[], wanted: readonly number[], relativeTo: Tolerance["relativeTo"]): number {
  const measured = relativeTo === "norm" ? norm : largest;
  const difference = measured(differences(actual, wanted));
  return difference === 0 || relativeTo === undefined ? difference : difference / measured(wanted);
}

export interface Tolerance {
  /**
   * `largest`: the largest difference divided by the largest wanted |entry|. `norm`: the Euclidean norm of the
   * differences divided by that of the wanted numbers. Default: the largest difference.
   */
  readonly relativeTo?: "largest" | "norm" | undefined;
}

/** Expects numbers within a tolerance. */
export function expectClose(
  what: string,
  actual: Numbers,
  wanted: Numbers,
  tolerance: number,
  { relativeTo }: Tolerance = {},
): void {
  const [a, w] = [numbers(actual), numbers(wanted)];
  expect(a.length, `${what}: how many numbers`).toBe(w.length);
  expect(w.length, `${what}: how many numbers`).toBeGreaterThan(0);
  const measured = deviation(a, w, relativeTo);
  if (process.env.S2AP_VERBOSE) console.log(`${what}: ${measured.toExponential(1)} (at most ${tolerance})`);
  expect(measured, `${what}: deviation`).toBeLessThanOrEqual(tolerance);
}

/** Expects each number within its own absolute tolerance. */
export function expectEachClose(what: string, actual: Numbers, wanted: Numbers, tolerances: readonly number[]): void {
  const [a, w] = [numbers(actual), numbers(wanted)];
  expect(a.length, `${what}: how many numbers`).toBe(w.length);
  const share = (value: number, i: number) => (value === w[i] ? 0 : Math.abs(value - (w[i] as number)));
  expectClose(
    `${what}, in units of the tolerance`,
    a.map((value, i) => share(value, i) / (tolerances[i] as number)),
    a.map(() => 0),
    1,
  );
}

/** Expects the same numbers. */
export function expectSame(what: string, actual: Numbers, wanted: Numbers): void {
  const [a, w] = [numbers(actual), numbers(wanted)];
  const at = w.findIndex((value, i) => !Object.is(value, a[i]));
  expect(a.length, `${what}: how many numbers`).toBe(w.length);
  expect(at < 0 ? "the same" : `entry ${at}: ${a[at]} in place of ${w[at]}`, what).toBe("the same");
}
