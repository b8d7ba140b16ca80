import type { ImageRecord, Robustness } from "../../src/evaluation/robustness.js";
import { wilson } from "../../src/util/index.js";

type Image = Pick<ImageRecord, "index" | "label" | "clean" | "brokenBy"> & Partial<ImageRecord>;

/** An evaluation by hand: what became of each image, and the sums that follow from it. */
export function robustnessOf(given: readonly Image[], changes: Partial<Robustness> = {}): Robustness {
  const images = given.map((image) => ({ adversarial: null, run: "", step: null, norm: null, ...image }));
  const n = images.length;
  const correct = images.filter(({ clean, label }) => clean === label).length;
  const robust = images.filter(({ brokenBy }) => brokenBy === null).length;
  const passes = { forward: 12, backward: 5 };
  return {
    preset: "custom",
    norm: "linf",
    eps: "8/255",
    seed: 0,
    examples: n,
    cleanAccuracy: correct / n,
    cleanInterval: wilson(correct, n),
    robustAccuracy: robust / n,
    interval: wilson(robust, n),
    after: { clean: correct / n, "apgd-ce": robust / n },
    attacks: [
      {
        attack: "apgd-ce",
        tried: correct,
        broken: correct - robust,
        robustAccuracy: robust / n,
        interval: wilson(robust, n),
        passes,
        seconds: 2,
      },
    ],
    images,
    checks: [],
    passes,
    seconds: 3,
    ...changes,
  };
}
