// What networks subtract from their images and divide them by. Checkpoints seldom say it: in most of the papers' code it
// belongs to the data, so it is named when a network is imported. Values as that code has them.
import { expected, UsageError } from "../../util/index.js";
import type { LayoutName } from "./checkpoint.js";

export interface Normalisation {
  /** Of each channel of images in [0, 1]. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const half = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
export const normalisations: Readonly<Record<string, Normalisation>> = {
  // AWP, FlyingBird, RST's attack.
  cifar10: { mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] },
  "cifar10-harp": { mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  // HYDRA's, and RST's for the data.
  "cifar10-hydra": { mean: [0.491, 0.482, 0.447], std: [0.247, 0.243, 0.262] },
  "cifar100-harp": { mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761] },
  // HYDRA and RST.
  svhn: half,
  "svhn-harp": { mean: [0.43091, 0.43024, 0.44634], std: [0.19759, 0.20029, 0.19811] },
  imagenet: { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
};

/** What `none`, a name, or `MEAN,.../STD,...` means; undefined for none. */
export function parseNormalisation(text: string): Normalisation | undefined {
  if (text === "none") return undefined;
  const named = normalisations[text];
  if (named !== undefined) return named;
  const [mean = [], std = [], ...more] = text.split("/").map((part) => part.split(",").map(Number));
  const isRight = more.length === 0 && mean.length === std.length && [...mean, ...std].every(Number.isFinite);
  if (isRight && std.every((value) => value > 0)) return { mean, std };
  const names = Object.keys(normalisations).join(", ");
  throw new UsageError(
    expected("--normalize", `none, a name (${names}), or MEAN,.../STD,... such as 0.49,0.48,0.45/0.25,0.24,0.26`, text),
  );
}

/** The likely name where a layout's program normalises images itself and its files do not show it. */
export function likelyNormalisation(layout: LayoutName, prefix: string, arch: string): string | undefined {
  if (arch.startsWith("imagenet_")) return "imagenet";
  if (layout === "awp" || layout === "rst" || layout === "flyingbird") return "cifar10";
  return prefix.includes("basic_model.") ? "cifar10" : undefined;
}
