// Finetuning with the dense robust network as a teacher: with t its logits, f the student's, T the temperature,
//   L = L_host + weight T^2 / 2 [KL(softmax t(x)/T || softmax f(x)/T) + KL(softmax t(x')/T || softmax f(xAdv)/T)],
// batch means, x' = x by default: the teacher's clean prediction is the robust label of both images. Nothing flows into the teacher,
// whose batch norm uses running statistics.
// ARD: Goldblum, Fowl, Feizi, Goldstein, "Adversarially Robust Distillation", AAAI 2020, arXiv 1905.09747: the term at
// xAdv, and T^2. RSLAD: Zi, Zhao, Ma, Jiang, "Revisiting Adversarial Robustness Distillation: Robust Soft Labels Make
// Student Better", ICCV 2021, arXiv 2108.07969: both terms with the teacher's clean prediction.
// Deviations: the host's loss stays whole, hard labels included, where ARD mixes and RSLAD drops them; the attack is the
// host's, which does not see the teacher; both terms weigh the same, where RSLAD has 1/6 and 5/6. `teacherInput: same` lets the
// teacher see the adversarial image too (x' = xAdv).
// Cost: one forward of the teacher a step (two with `same`), and one clean forward of the student where the host has none.
import { z } from "zod";
import type { CraftedBatch, RobustLoss } from "../losses/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import type { Passes } from "../nn/index.js";
import { noGrad, ops, type Precision, type Tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";

export const distillOptions = z.strictObject({
  weight: z.number().gt(0).default(1).describe("of the distillation beside the host's loss; default 1"),
  temperature: z.number().gt(0).default(1).describe("what logits of both are divided by; default 1"),
  teacherInput: z
    .enum(["clean", "same"])
    .default("clean")
    .describe("image behind the teacher's label of an adversarial one: the clean one, or the same; default clean"),
});

export interface Distillation extends z.input<typeof distillOptions> {
  /** The dense robust network. */
  readonly teacher: Model;
}

interface TeacherOptions {
  readonly precision?: Precision;
  /** Where its forwards are counted. */
  readonly passes?: Passes;
}

/** The teacher's logits [N,K] for the two halves of a batch. */
interface Lesson {
  readonly clean: Tensor;
  readonly robust: Tensor;
}

function lessonOf({ teacher, teacherInput = "clean" }: Distillation, batch: CraftedBatch, how: TeacherOptions): Lesson {
  return noGrad(() => {
    const { logits } = bindNetwork(teacher, teacher, how).victim;
    const clean = logits(batch.x);
    return { clean, robust: teacherInput === "clean" ? clean : logits(batch.xAdv) };
  });
}

/** KL(softmax t/T || softmax f/T), batch mean. */
function divergence(teacher: Tensor, student: Tensor, temperature: number): Tensor {
  const cooled = (logits: Tensor) => ops.logSoftmax(ops.div(logits, { float: temperature }), 1);
  const target = cooled(teacher);
  const terms = ops.mul(ops.exp(target), ops.sub(target, cooled(student)));
  return ops.div(ops.sum(terms), student.shape[0] ?? 1);
}

/**
 * The host's loss with the teacher's terms, for this batch alone. A clean forward that the host lacks comes after the host's
 * own and moves batch norm's statistics as they do; of the host's, the last clean one is used.
 */
export function distilled(
  host: RobustLoss,
  distillation: Distillation,
  batch: CraftedBatch,
  how: TeacherOptions = {},
): RobustLoss {
  const { teacher: _teacher, ...options } = distillation;
  const { weight, temperature } = parseOptions("distill", distillOptions, options);
  const lesson = lessonOf(distillation, batch, how);
  return {
    ...host,
    evaluate(forward, { x, y, xAdv }) {
      let seen: Tensor | undefined;
      const watched = (images: Tensor) => {
        const logits = forward(images);
        // A pass without a graph only moves statistics.
        if (images === x && logits.requiresGrad) seen = logits;
        return logits;
      };
      const { loss, robustLogits } = host.evaluate(watched, { x, y, xAdv });
      const cleanTerm = divergence(lesson.clean, seen ?? forward(x), temperature);
      const robustTerm = divergence(lesson.robust, robustLogits, temperature);
      const factor = { float: (weight * temperature ** 2) / 2 };
      return { loss: ops.add(loss, ops.mul(ops.add(cleanTerm, robustTerm), factor)), robustLogits };
    },
  };
}
