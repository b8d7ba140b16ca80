import type { LocalNetwork } from "../models/index.js";
import type { Passes } from "../nn/index.js";
import { enableGrad, grad, manualSeed, noGrad, ops, present, scope, Tensor } from "../torch/index.js";
import { expected, type Rng, ShapeError } from "../util/index.js";
import { type AttackObjective, crossEntropy } from "./objectives.js";
import { l2Norm, projector } from "./project.js";
import type { Threat } from "./threat.js";

/** What an attack sees of a network: fixed weights, running batch-norm statistics, and a count of passes. */
export interface Victim {
  /** x [N,C,H,W] in [0,1] -> logits [N,K]; the passes are counted. */
  logits(x: Tensor): Tensor;
  readonly passes: Passes;
  /** Cheaper passes of images that differ from known ones in a square each. */
  readonly local?: LocalNetwork | undefined;
}

/**
 * Where an attack begins. `none`: at x; `uniform`: anywhere in the ball; `gaussian`: x + 0.001 N(0,1), as TRADES does; a
 * tensor shaped like x: at these points, whatever the restart.
 */
export type Start = "none" | "uniform" | "gaussian" | Tensor;

export interface PerturbOptions {
  /** Key of all random numbers. */
  readonly rng: Rng;
  /** Positions of the images in their set: with them, noise is keyed per image and does not depend on the batch. */
  readonly indices?: Int32Array;
  /** What to ascend; default cross-entropy. */
  readonly objective?: AttackObjective;
  /** Overrides the attack's own start. */
  readonly start?: Start;
  /** Asked before every step; may throw to stop. */
  readonly poll?: () => void;
}

/** A search for adversarial examples inside a threat's ball. */
export interface Attack {
  /** With what tells it from its kin, e.g. `pgd-20`. */
  readonly name: string;
  readonly threat: Threat;
  /** What is done differently for this number of classes, in words; empty where nothing is. */
  notes?(classes: number): readonly string[];
  /** x [N,C,H,W] in [0,1], y [N] -> xAdv of the same shape, inside the ball and [0,1]. */
  perturb(victim: Victim, x: Tensor, y: Tensor, options: PerturbOptions): Tensor;
}

/** Gradient of the objective with respect to the input, each image by itself; [N,C,H,W]. Also the logits there. */
export function inputGradient(
  victim: Victim,
  x: Tensor,
  y: Tensor,
  objective: AttackObjective,
): { readonly gradient: Tensor; readonly logits: Tensor; readonly values: Tensor } {
  return enableGrad(() => {
    const leaf = ops.detach(x).setRequiresGrad(true);
    const logits = victim.logits(leaf);
    const values = objective(logits, y);
    victim.passes.backward += 1;
    const gradient = present(grad(ops.sum(values), [leaf])[0], "input gradient");
    return { gradient, logits: ops.detach(logits), values: ops.detach(values) };
  });
}

/** Random noise shaped like x: one draw for the batch, or one for each image when `indices` names them. */
export function noise(x: Tensor, options: PerturbOptions, fill: (t: Tensor) => Tensor): Tensor {
  const { rng, indices } = options;
  if (indices === undefined) {
    manualSeed(rng);
    return fill(ops.emptyLike(x, { memoryFormat: "contiguous" }));
  }
  const image = x.shape.slice(1);
  return ops.stack(
    Array.from(indices, (index) => {
      manualSeed(rng.at("image", index));
      return fill(ops.empty(image, { dtype: x.dtype }));
    }),
  );
}

function given(start: Tensor, x: Tensor): Tensor {
  if (start.shape.join() === x.shape.join()) return start;
  throw new ShapeError(expected("attack", `a start shaped [${x.shape}] like x`, start.toString()));
}

/** The first point of an iterative attack, before any projection. */
export function startPoint(threat: Threat, start: Start, x: Tensor, options: PerturbOptions): Tensor {
  if (start === "none") return x;
  if (start instanceof Tensor) return given(start, x);
  if (start === "gaussian")
    return ops.add(
      x,
      noise(x, options, (t) => ops.normal_(t)),
      { alpha: 0.001 },
    );
  const { eps } = threat;
  if (threat.norm === "linf")
    return ops.add(
      x,
      noise(x, options, (t) => ops.uniform_(t, { low: -eps, to: eps })),
    );
  const direction = noise(x, options, (t) => ops.normal_(t));
  const length = noise(
    ops.slice(ops.flatten(x, { startDim: 1 }), { dim: 1, end: 1 }),
    { ...options, rng: options.rng.at("length") },
    (t) => ops.uniform_(t),
  );
  const share = ops.reshape(ops.pow(length, 1 / (x.numel / (x.shape[0] ?? 1))), [-1, 1, 1, 1]);
  return ops.add(x, ops.mul(ops.div(direction, ops.add(l2Norm(direction), 1e-12)), ops.mul(share, eps)));
}

/** Wraps an attack's search: what leaves it is inside the ball and the box, whatever the search returned. */
export function attack(name: string, threat: Threat, search: Attack["perturb"]): Attack {
  return {
    name,
    threat,
    perturb: (victim, x, y, options) =>
      noGrad(() =>
        scope(() => {
          const found = search(victim, x, y, { objective: crossEntropy, ...options });
          return ops.detach(projector(threat, x)(found));
        }),
      ),
  };
}
