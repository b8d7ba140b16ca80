import type { Batch, Split } from "../data/index.js";
import { ops, scope, tensor } from "../torch/index.js";
import type { Rng } from "../util/index.js";
import type { Attack, Victim } from "./attack.js";
import { judged, predict, type Verdicts } from "./verify.js";

export interface AccuracyOptions {
  /** Images to use, from the front of the split; default all. */
  readonly examples?: number;
  /** Images a batch; default the split's. */
  readonly batchSize?: number;
  /** Key of the attack's random numbers, which are drawn per image. */
  readonly rng: Rng;
  readonly poll?: () => void;
  /** Called after each batch. */
  readonly onProgress?: (progress: { readonly done: number; readonly of: number; readonly robust: number }) => void;
}

/** Accuracies in [0,1] over all `examples`: an image misclassified as it is counts as not robust. */
export interface Accuracy {
  readonly examples: number;
  readonly correct: number;
  readonly robust: number;
  readonly cleanAccuracy: number;
  readonly robustAccuracy: number;
  /** Images whose misclassified point lies outside the attack's ball or [0,1]: they are not counted as broken. */
  readonly outside: number;
  /** Per image: what the network says of it, and of its adversarial example (the same where there is none that counts). */
  readonly predictions: { readonly clean: Int32Array; readonly adversarial: Int32Array };
}

/**
 * Clean accuracy, and robust accuracy under one attack (none: equal to clean). Images that are wrong as they are are not
 * attacked, and a point counts only inside ball and box. Each batch is one scope.
 */
export function accuracy(victim: Victim, split: Split, attack: Attack | undefined, options: AccuracyOptions): Accuracy {
  const examples = Math.min(options.examples ?? split.length, split.length);
  const batchSize = options.batchSize ?? split.batchSize;
  const clean = new Int32Array(examples);
  const adversarial = new Int32Array(examples);
  let correct = 0;
  let robust = 0;
  let outside = 0;
  for (let start = 0; start < examples; start += batchSize) {
    options.poll?.();
    scope(() => {
      const batch = split.ordered(start, Math.min(batchSize, examples - start));
      const labels = batch.y.toNumbers();
      const before = predict(victim, batch.x);
      const standing = [...before.keys()].filter((i) => before[i] === labels[i]);
      clean.set(before, start);
      adversarial.set(before, start);
      correct += standing.length;
      robust += standing.length;
      if (attack === undefined || standing.length === 0) return;
      const after = attacked(victim, batch, standing, start, split, attack, options);
      const broken = standing.flatMap((i, k) => (after.broken[k] ? [[i, after.classes[k] as number] as const] : []));
      for (const [i, seen] of broken) adversarial[start + i] = seen;
      robust -= broken.length;
      outside += after.outside.filter(Boolean).length;
    });
    options.onProgress?.({ done: Math.min(start + batchSize, examples), of: examples, robust });
  }
  return {
    examples,
    correct,
    robust,
    cleanAccuracy: correct / examples,
    robustAccuracy: robust / examples,
    outside,
    predictions: { clean, adversarial },
  };
}

function attacked(
  victim: Victim,
  batch: Batch,
  standing: readonly number[],
  start: number,
  split: Split,
  attack: Attack,
  { rng, poll }: AccuracyOptions,
): Verdicts {
  const at = tensor(BigInt64Array.from(standing, BigInt));
  const x = ops.indexSelect(batch.x, 0, at);
  const y = ops.indexSelect(batch.y, 0, at);
  const indices = Int32Array.from(standing, (i) => split.indices[start + i] ?? start + i);
  const points = attack.perturb(victim, x, y, { rng, indices, ...(poll && { poll }) });
  return judged(victim, attack.threat, x, y, points);
}
