// What a reader should know before believing a number: as data, and in words.
import { apgdCe, type Threat, type Victim } from "../attacks/index.js";
import type { Model } from "../models/index.js";
import { noGrad, ops, scope, type Tensor } from "../torch/index.js";
import { DataError, expected, rng } from "../util/index.js";
import { confirm, rowsOf } from "./confirm.js";
import type { Description } from "./description.js";
import type { UnitLine } from "./lines.js";
import type { NamedAttack } from "./list.js";
import type { AttackOutcome, Check } from "./robustness.js";

type Values = Check["values"];

const warning = (code: Check["code"], message: string, values: Values): Check => ({
  code,
  severity: "warning",
  message,
  values,
});
const note = (code: Check["code"], message: string, values: Values): Check => ({
  code,
  severity: "note",
  message,
  values,
});
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** What the checks that cost passes look at. */
export interface Probe {
  readonly judge: Victim;
  readonly threat: Threat;
  /** Some clean images and labels; and which of them are right as they are. */
  readonly x: Tensor;
  readonly y: Tensor;
  readonly correct: readonly number[];
  readonly poll?: (() => void) | undefined;
}

/** Logits over their own length, so that differences do not depend on the network's scale; float64 [N,K]. */
function unitLogits(logits: Tensor): Tensor {
  const z = ops.to(logits, "float64");
  return ops.div(z, ops.add(ops.vectorNorm(z, { ord: 2, dim: [1], keepdim: true }), 1e-12));
}

const largest = (t: Tensor) => ops.amax(ops.flatten(ops.abs(t)), { dim: [0] }).item();

/** DataError where a weight or a statistic is not finite. */
export function checkWeights(model: Model): void {
  for (const [name, tensor] of [...model.params, ...model.buffers]) {
    const finite = scope(() => ops.all(ops.isfinite(tensor)).item());
    if (finite) continue;
    throw new DataError(expected(`weights '${name}'`, "finite numbers", "NaN or infinity"), {
      code: "data/not-finite",
    });
  }
}

/** Five passes of the same images should agree. */
export function randomised({ judge, x, y }: Probe): Check[] {
  const passes = Array.from({ length: 5 }, () => {
    const logits = judge.logits(x);
    const right = ops
      .eq(ops.argmax(logits, { dim: 1 }), y)
      .toNumbers()
      .filter(Boolean).length;
    return { logits: unitLogits(logits), right };
  });
  const [first] = passes;
  const right = passes.map((pass) => pass.right);
  const difference = Math.max(...passes.map(({ logits }) => largest(ops.sub(logits, first?.logits as Tensor))));
  if (new Set(right).size === 1 && difference <= 1e-4) return [];
  const message = "The network answers differently when asked again; use aa-rand, and do not trust single passes.";
  return [warning("randomised", message, { correct: right, difference })];
}

/** Outputs that are probabilities have vanishing gradients. */
export function probabilities({ judge, x }: Probe): Check[] {
  const z = ops.to(judge.logits(x), "float64");
  const inside = ops.logicalAnd(ops.gt(z, -1e-5), ops.lt(z, 1 + 1e-5));
  const sums = ops.abs(ops.sub(ops.sumDim(z, [1]), 1));
  if (!ops.all(inside).item() || largest(sums) > 1e-5) return [];
  const message = "The network gives probabilities, not logits; attacks on its gradients may fail without cause.";
  return [warning("probabilities", message, {})];
}

/** The logits of an image must not depend on the images beside it. */
export function batchDependence({ judge, x }: Probe): Check[] {
  const count = Math.min(4, x.shape[0] as number);
  const rows = Array.from({ length: count }, (_, i) => i);
  const together = rowsOf(judge.logits(x), rows);
  const apart = ops.cat(rows.map((row) => judge.logits(rowsOf(x, [row]))));
  const difference = largest(ops.sub(unitLogits(together), unitLogits(apart)));
  if (difference <= 1e-5) return [];
  const message = "The logits of an image depend on the other images of its batch: results depend on the batch size.";
  return [warning("batch-dependence", message, { difference })];
}

/** What attacks do differently for few classes. */
export function classNotes(attacks: readonly NamedAttack[], classes: number): Check[] {
  return attacks.flatMap(({ name, attack }) =>
    (attack.notes?.(classes) ?? []).map((text) => note("few-classes", `${name}: ${text}`, { attack: name, classes })),
  );
}

/** Zeros among the prunable weights, as a share; claims are compared with it. */
export function maskApplied(model: Model, claimed: number | undefined): Check[] {
  if (claimed === undefined) return [];
  let [zeros, all, layers] = [0, 0, 0];
  for (const name of model.prunable) {
    const tensor = model.params.get(name);
    if (tensor === undefined) continue;
    all += tensor.numel;
    layers += 1;
    zeros += tensor.numel - scope(() => ops.countNonzero(tensor).item());
  }
  const measured = all === 0 ? 0 : zeros / all;
  // Counts are whole: each layer may keep a weight more, which matters in the smallest networks only.
  const rounding = Math.min(0.02, layers / Math.max(1, all));
  if (measured >= claimed - 1e-3 - rounding) return [];
  const message = `The claim is ${percent(claimed)} zero weights, measured are ${percent(measured)}: is the mask applied?`;
  return [warning("mask-not-applied", message, { claimed, measured })];
}

const ABSURD = { factor: 4, images: 32, share: 0.2 };

/** At four times the radius hardly anything should stand under APGD-CE; where it does, gradients are probably of no use. */
export function absurdRadius({ judge, threat, x, y, correct, poll }: Probe): Check[] {
  const eps = Math.min(threat.eps * ABSURD.factor, threat.norm === "linf" ? 1 : Number.POSITIVE_INFINITY);
  const rows = correct.slice(0, ABSURD.images);
  if (threat.eps === 0 || rows.length < 8) return [];
  const wide: Threat = { ...threat, eps, epsText: String(eps) };
  const [images, labels] = [rowsOf(x, rows), rowsOf(y, rows)];
  const indices = Int32Array.from(rows);
  const key = rng(0, "evaluation", "absurd radius");
  const points = apgdCe(wide).perturb(judge, images, labels, { rng: key, indices, ...(poll && { poll }) });
  const standing = (rows.length - confirm(judge, wide, images, labels, points).rows.length) / rows.length;
  if (standing <= ABSURD.share) return [];
  const message = `${percent(standing)} of ${rows.length} images stand at ${ABSURD.factor} times the radius: gradients may be masked.`;
  return [warning("robust-at-absurd-eps", message, { eps, standing, images: rows.length })];
}

/** Whether an attack averages gradients over passes: who asks for that knows that the network draws random numbers. */
const averages = ({ options = {} }: NamedAttack) => Number(options.eot ?? 1) > 1;

/** All checks that are made before the first attack. */
export function firstChecks(
  probe: Probe,
  at: {
    readonly model: Model;
    readonly attacks: readonly NamedAttack[];
    readonly sparsity: number | undefined;
    /** Also those that cost passes. */
    readonly passes: boolean;
  },
): Check[] {
  const free = [...classNotes(at.attacks, at.model.numClasses), ...maskApplied(at.model, at.sparsity)];
  if (!at.passes) return free;
  const asked = [...(at.attacks.some(averages) ? [] : [randomised]), probabilities, batchDependence, absurdRadius];
  return [...asked.flatMap((check) => noGrad(() => scope(() => check(probe)))), ...free];
}

/** Images on which an attack had no gradient to follow at its start. */
export function zeroGradients(lines: readonly UnitLine[], indices: Int32Array): Check[] {
  const byAttack = new Map<string, Set<number>>();
  for (const { attack, zeroGradient } of lines) {
    for (const at of zeroGradient) {
      byAttack.set(attack, (byAttack.get(attack) ?? new Set()).add(indices[at] as number));
    }
  }
  return Array.from(byAttack, ([attack, images]) => {
    const message = `${attack}: the gradient was zero at the start on ${images.size} images; gradients may be masked.`;
    return warning("zero-gradient", message, { attack, images: [...images].sort((a, b) => a - b) });
  });
}

/** Images by attack whose misclassified points were not counted, since they lie outside the ball or [0,1]. */
export function leftTheBall(outside: ReadonlyMap<string, number>): Check[] {
  return Array.from(outside, ([attack, images]) => {
    const points = images === 1 ? "1 misclassified point that lies" : `${images} misclassified points that lie`;
    const message = `${attack}: ${points} outside the ball or [0,1] did not count; the attack is faulty.`;
    return warning("left-the-ball", message, { attack, images });
  });
}

const ENOUGH = 0.002;

/** A search without gradients that beats those with them is a sign of masked gradients. */
export function squareTooGood({ individual, attacks }: Description, outcomes: readonly AttackOutcome[]): Check[] {
  const left = (o: AttackOutcome) => (individual ? (o.alone ?? o.robustAccuracy) : o.robustAccuracy);
  const listed = outcomes.filter(({ attack, tried }) => tried > 0 && attacks.some(({ name }) => name === attack));
  const at = listed.findIndex(({ attack }) => attack === "square");
  const square = listed[at];
  if (square === undefined || listed.length < 2) return [];
  const others = listed.filter((o) => o !== square && (individual || listed.indexOf(o) < at)).map(left);
  const best = Math.min(...others);
  if (others.length === 0 || left(square) >= best - ENOUGH) return [];
  const message =
    `Square leaves ${percent(left(square))}, attacks with gradients ${percent(best)}: ` +
    "gradients may be masked; use more queries or an adaptive attack.";
  return [warning("square-too-good", message, { square: left(square), others: best })];
}
