import { entry, registry } from "../util/index.js";
import { resnet18, resnetOptions } from "./resnet.js";

/** What a model is built from besides its options. */
export interface ModelContext {
  /** Of the initial weights. */
  readonly seed: number;
}

export const models = registry("model", {
  resnet18: entry({
    summary: "CIFAR ResNet-18 (He et al. 2016), 11.2 M weights at width 64",
    options: resnetOptions,
    create: (options, { seed }: ModelContext) => resnet18({ ...options, seed }),
  }),
});
