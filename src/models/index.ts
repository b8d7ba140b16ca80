export { type CnnOptions, cnnLarge, cnnSmall } from "./cnn.js";
export { describedModel, descriptionSchema } from "./described.js";
export { type Equivalent, equivalentForm } from "./equivalent.js";
export { type FoldOptions, folded } from "./fold.js";
export { compareWith, fits, type Guess, guessArchitecture, type Misshapen } from "./guess.js";
export { type LocalNetwork, type LocalPasses, localNetwork } from "./local-passes.js";
export { type Model, type ModelSpec, type Shortcuts, type Stream, withState } from "./model.js";
export { bindNetwork, type Network } from "./network.js";
export { layerRuns, multiplications } from "./operations.js";
export { preactResnet18 } from "./preact-resnet.js";
export { type ModelContext, models } from "./registry.js";
export {
  type ImagenetResnetOptions,
  imagenetResnet18,
  imagenetResnet34,
  imagenetResnet50,
  type ResnetOptions,
  resnet18,
  resnet34,
  resnet50,
} from "./resnet.js";
export type { Squares } from "./squares.js";
export { type VggOptions, vgg11Bn, vgg13Bn, vgg16Bn } from "./vgg.js";
export { type VitOptions, vitB, vitS, vitTi } from "./vit.js";
export { type WideResnetOptions, wrn28x4, wrn28x10, wrn34x10, wrn40x2 } from "./wide-resnet.js";
