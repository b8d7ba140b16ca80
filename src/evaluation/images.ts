import sharp from "sharp";
import { type Attack, predict } from "../attacks/index.js";
import type { Batch, Split } from "../data/index.js";
import { bindNetwork, type Model } from "../models/index.js";
import { ops, scope, type Tensor } from "../torch/index.js";
import { rng } from "../util/index.js";

/** Some attacked images, as pictures and predictions; what a report draws. */
export interface AttackedImages {
  readonly eps: string;
  /** Network the adversarial images were made against; the others see the same images. */
  readonly against: string;
  readonly classNames: readonly string[];
  readonly examples: readonly {
    readonly label: number;
    /** PNG files in base64. */
    readonly clean: string;
    readonly adversarial: string;
    /** 0.5 + delta / (2 eps). */
    readonly difference: string;
    /** Classes by network. */
    readonly predictions: Readonly<Record<string, { readonly clean: number; readonly adversarial: number }>>;
  }[];
}

interface Pictures {
  readonly clean: Uint8Array;
  readonly adversarial: Uint8Array;
  readonly difference: Uint8Array;
}

/** x [N,C,H,W] in [0,1] -> bytes in [N,H,W,C]. */
function pixels(x: Tensor): Uint8Array {
  const bytes = ops.to(ops.round(ops.mul(ops.clamp(x, { min: 0, max: 1 }), 255)), "uint8");
  return ops.contiguous(ops.permute(bytes, [0, 2, 3, 1])).toArray() as Uint8Array;
}

function pictures(batch: Batch, xAdv: Tensor, eps: number): Pictures {
  const delta = ops.sub(xAdv, batch.x);
  return {
    clean: pixels(batch.x),
    adversarial: pixels(xAdv),
    difference: pixels(ops.add(ops.div(delta, 2 * eps), { float: 0.5 })),
  };
}

async function png(bytes: Uint8Array, index: number, [channels, height, width]: readonly number[]): Promise<string> {
  const size = (channels ?? 0) * (height ?? 0) * (width ?? 0);
  const raw = { width: width ?? 0, height: height ?? 0, channels: (channels ?? 3) as 1 | 3 };
  const file = await sharp(bytes.subarray(index * size, (index + 1) * size), { raw })
    .png()
    .toBuffer();
  return file.toString("base64");
}

/**
 * Attacks the first `count` images against the first of the networks, and asks all of them what they see before and after.
 */
export async function attackedImages(
  networks: ReadonlyMap<string, Model>,
  split: Split,
  attack: Attack,
  options: { readonly count?: number; readonly seed?: number } = {},
): Promise<AttackedImages> {
  const { count = 8, seed = 0 } = options;
  const [first] = networks;
  if (first === undefined) return { eps: attack.threat.epsText, against: "", classNames: [], examples: [] };
  const [against, model] = first;
  const seen = scope(() => {
    const batch = split.ordered(0, count);
    const { victim } = bindNetwork(model, model);
    const indices = Int32Array.from({ length: batch.size }, (_, i) => i);
    const xAdv = attack.perturb(victim, batch.x, batch.y, { rng: rng(seed, "images"), indices });
    const answers = Array.from(networks, ([name, network]) => {
      const asked = bindNetwork(network, network).victim;
      return { name, clean: predict(asked, batch.x), adversarial: predict(asked, xAdv) };
    });
    return { labels: batch.y.toNumbers(), ...pictures(batch, xAdv, attack.threat.eps), answers };
  });
  const { inputShape } = model;
  const examples = seen.labels.map(async (label, i) => ({
    label,
    clean: await png(seen.clean, i, inputShape),
    adversarial: await png(seen.adversarial, i, inputShape),
    difference: await png(seen.difference, i, inputShape),
    predictions: Object.fromEntries(
      seen.answers.map((a) => [a.name, { clean: a.clean[i] ?? -1, adversarial: a.adversarial[i] ?? -1 }]),
    ),
  }));
  return {
    eps: attack.threat.epsText,
    against,
    classNames: split.dataset.classNames,
    examples: await Promise.all(examples),
  };
}
