// When APGD looks back on what its step size brought. Fractions of the number of steps are rounded down.
import { ops, type Tensor } from "../torch/index.js";

/** Share of rising steps up to which the loss is said to oscillate. */
const RISING = 0.75;

/** Whether the loss rose too seldom, bool [N], from the number of steps in a window in which it did [N]. */
export function oscillates(rises: Tensor, window: number): Tensor {
  return ops.le(rises, { float: RISING * window });
}

const whole = (share: number, steps: number) => Math.max(Math.floor(share * steps), 1);

/** A look back on the steps since the last one. */
export interface Checkpoint {
  /** It comes after this step, counted from 0. */
  readonly step: number;
  /** How many steps it looks back on. */
  readonly window: number;
}

/**
 * Windows that shrink from 0.22 of the steps by 0.03 each to 0.06. For 100 steps they end after steps 22, 41, 57, 70, 80,
 * 87, 93 and 99, counted from 1.
 */
export function checkpoints(steps: number): Checkpoint[] {
  const [least, less] = [whole(0.06, steps), whole(0.03, steps)];
  const found: Checkpoint[] = [];
  let window = whole(0.22, steps);
  for (let step = window - 1; step < steps; step += window) {
    found.push({ step, window });
    window = Math.max(window - less, least);
  }
  return found;
}

/** L1: how many steps lie between two looks at how sparse the change is. */
export function sparsityWindow(steps: number): number {
  return whole(0.04, steps);
}

/** Steps within a ball of one radius. */
export interface Phase {
  /** The radius, in radii of the threat. */
  readonly radii: number;
  readonly steps: number;
}

/** L1: three tenths of the steps in the ball of three radii, as many in two, the rest in one; fewer than three all in one. */
export function radiusPhases(steps: number): readonly Phase[] {
  const wide = Math.min(Math.ceil(0.3 * steps), Math.floor((steps - 1) / 2));
  const all = [
    { radii: 3, steps: wide },
    { radii: 2, steps: wide },
    { radii: 1, steps: steps - 2 * wide },
  ];
  return all.filter((phase) => phase.steps > 0);
}
