// Projected gradient descent (Madry, Makelov, Schmidt, Tsipras, Vladu, ICLR 2018, arXiv 1706.06083):
//   x <- clip01(ball(x + stepSize steepest(grad objective)))
// The answer is the last iterate, as training and the pruning papers use it; `best: "any"` is a stronger measure.
import { z } from "zod";
import { ops, scope, type Tensor } from "../torch/index.js";
import { parseOptions, ratio, ratioField } from "../util/index.js";
import { type Attack, attack, inputGradient, type PerturbOptions, startPoint, type Victim } from "./attack.js";
import { type AttackObjective, crossEntropy, dlr, dlrNotes, margin } from "./objectives.js";
import { hasSteepest, projector, steepest } from "./project.js";
import type { Threat } from "./threat.js";

export const pgdOptions = z.strictObject({
  steps: z.int().min(1).default(10).describe("gradient steps; default 10"),
  stepSize: ratioField({ max: 100 }).optional().describe("length of a step in pixel scale; default 2.5 eps / steps"),
  randomStart: z.boolean().default(true).describe("begin at a random point of the ball; default true"),
  restarts: z
    .int()
    .min(1)
    .default(1)
    .describe("runs from different starts; an image broken by one stays broken; default 1"),
  best: z
    .enum(["last", "any"])
    .default("last")
    .describe("`last` iterate, or `any` misclassified one where there is one"),
  clipStart: z
    .boolean()
    .default(true)
    .describe("clip the start to [0,1] before the first gradient; false is HYDRA's and HARP's way"),
  objective: z
    .enum(["ce", "dlr", "margin"])
    .default("ce")
    .describe(
      "what it climbs: cross-entropy, the difference of logits ratio, or the largest wrong logit minus the right one; default ce",
    ),
});

const objectives: Readonly<Record<z.output<typeof pgdOptions>["objective"], AttackObjective>> = {
  ce: crossEntropy,
  dlr,
  margin,
};

const misclassified = (victim: Victim, x: Tensor, y: Tensor) => ops.ne(ops.argmax(victim.logits(x), { dim: 1 }), y);

/** Where `broken` [N] says so, the image of a; elsewhere of b. */
const choose = (broken: Tensor, a: Tensor, b: Tensor) => ops.where(ops.reshape(broken, [-1, 1, 1, 1]), a, b);

/** Which images were broken so far [N], and the last point where each was. */
interface Broken {
  readonly where: Tensor;
  readonly images: Tensor;
}

function remember(found: Broken | undefined, broken: Tensor, point: Tensor): Broken {
  if (found === undefined) return { where: broken, images: point };
  return { where: ops.logicalOr(found.where, broken), images: choose(broken, point, found.images) };
}

export function pgd(threat: Threat, options: z.input<typeof pgdOptions> = {}): Attack {
  const parsed = parseOptions("pgd", pgdOptions, options);
  const { steps, randomStart, restarts, best, clipStart } = parsed;
  hasSteepest("pgd", threat);
  const length = parsed.stepSize === undefined ? (2.5 * threat.eps) / steps : ratio(parsed.stepSize).value;

  const once = (victim: Victim, x: Tensor, y: Tensor, at: PerturbOptions): Tensor => {
    const { objective = crossEntropy, poll } = at;
    const project = projector(threat, x);
    const begin = startPoint(threat, at.start ?? (randomStart ? "uniform" : "none"), x, at);
    let point = clipStart ? project(begin) : begin;
    let found: Broken | undefined;
    for (let step = 0; step < steps; step++) {
      poll?.();
      [point, found] = scope(() => {
        const { gradient, logits } = inputGradient(victim, point, y, objective);
        const next = project(ops.add(point, steepest(threat, gradient), { alpha: { float: length } }));
        return [next, best === "last" ? undefined : remember(found, ops.ne(ops.argmax(logits, { dim: 1 }), y), point)];
      });
    }
    if (found === undefined) return point;
    const atLast = misclassified(victim, point, y);
    return choose(ops.logicalOr(atLast, ops.logicalNot(found.where)), point, found.images);
  };

  const climbs = parsed.objective === "ce" ? "" : `-${parsed.objective}`;
  const name = `pgd${climbs}-${steps}${restarts > 1 ? `x${restarts}` : ""}${best === "any" ? "-any" : ""}`;
  const made = attack(name, threat, (victim, x, y, at) => {
    let found = once(victim, x, y, at);
    if (restarts === 1) return found;
    let broken = misclassified(victim, found, y);
    for (let restart = 1; restart < restarts; restart++) {
      const again = once(victim, x, y, { ...at, rng: at.rng.at("restart", restart) });
      found = choose(broken, found, again);
      broken = ops.logicalOr(broken, misclassified(victim, again, y));
    }
    return found;
  });
  // A caller that has an objective of its own, as TRADES does, means that one.
  const objective = objectives[parsed.objective];
  const noted = parsed.objective === "dlr" && { notes: dlrNotes };
  return { ...made, ...noted, perturb: (victim, x, y, at) => made.perturb(victim, x, y, { objective, ...at }) };
}
