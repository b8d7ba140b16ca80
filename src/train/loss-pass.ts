// How a stage uses a robust loss: crafting in the mode that the loss wants, and what a replaying loss learns from a step.
import type { CraftOptions, RobustLoss } from "../losses/index.js";
import type { Network } from "../models/index.js";
import type { Params } from "../nn/index.js";
import { grad, ops, present, type Tensor } from "../torch/index.js";

/** Images x [N,C,H,W] with labels y [N]. */
interface Images {
  readonly x: Tensor;
  readonly y: Tensor;
}

/** Adversarial examples of the network; a leaf of autograd where the loss wants the gradient there. */
export function craftExamples(loss: RobustLoss, network: Network, { x, y }: Images, at: CraftOptions): Tensor {
  if (loss.attackMode !== "train") return asked(loss, loss.craft(network.victim, x, y, at));
  // Once statistics have moved there is no breaking off: the step would not be done again from where it began.
  const { poll, ...rest } = at;
  poll?.();
  const victim = { logits: network.forward("update"), passes: network.passes };
  return asked(loss, loss.craft(victim, x, y, rest));
}

function asked({ replay }: RobustLoss, xAdv: Tensor): Tensor {
  return replay === undefined ? xAdv : ops.detach(xAdv).setRequiresGrad(true);
}

/** Gradients of `target` with respect to `tensors`; a loss that replays learns from the one at its examples. */
export function gradientsOf(
  target: Tensor,
  tensors: readonly Tensor[],
  { replay }: RobustLoss,
  batch: Images & { readonly xAdv: Tensor },
  memory: Params | undefined,
): Tensor[] {
  if (replay === undefined || memory === undefined) return grad(target, tensors);
  const all = grad(target, [...tensors, batch.xAdv]);
  replay.learn(memory, batch, present(all.at(-1), "the gradient of the examples"));
  return all.slice(0, -1);
}
