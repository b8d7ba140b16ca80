import { breaks, changeNorm, predict, type Threat, type Victim } from "../attacks/index.js";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";

/** Points that the judge confirmed. */
export interface Confirmed {
  /** Which of the rows given. */
  readonly rows: readonly number[];
  /** Class predicted at each of them. */
  readonly classes: readonly number[];
  /** Length of each change in the threat's norm. */
  readonly norms: readonly number[];
  /** [rows,C,H,W]; undefined where there is none. */
  readonly points: Tensor | undefined;
}

const NONE: Confirmed = { rows: [], classes: [], norms: [], points: undefined };

export const rowsOf = (t: Tensor, rows: readonly number[]): Tensor =>
  ops.indexSelect(t, 0, tensor(BigInt64Array.from(rows, BigInt)));

/**
 * The rows whose points the judge misclassifies inside ball and box, with what a record says of them. `already` names
 * those that were confirmed before. To be called in a scope, which then owns the points.
 */
export function confirm(
  judge: Victim,
  threat: Threat,
  x: Tensor,
  y: Tensor,
  points: Tensor,
  already?: Uint8Array,
): Confirmed {
  const verdicts = already ?? breaks(judge, threat, x, y, points);
  const rows = [...verdicts.keys()].filter((row) => verdicts[row] === 1);
  if (rows.length === 0) return NONE;
  return scope(() => {
    const found = rowsOf(points, rows);
    const labels = rowsOf(y, rows).toNumbers();
    const classes = [...predict(judge, found)];
    const norms = changeNorm(threat.norm, rowsOf(x, rows), found).toNumbers();
    // On the edge of two classes another batch can tip the last bit: what is reported must hold when asked again.
    const held = rows.map((_, i) => i).filter((i) => classes[i] !== labels[i]);
    if (held.length === 0) return NONE;
    return {
      rows: held.map((i) => rows[i] as number),
      classes: held.map((i) => classes[i] as number),
      norms: held.map((i) => norms[i] as number),
      points: held.length === rows.length ? found : rowsOf(found, held),
    };
  });
}
