export { describedModel, descriptionSchema } from "./described.js";
export { type FoldOptions, folded } from "./fold.js";
export { type Model, type ModelSpec, type Shortcuts, type Stream, withState } from "./model.js";
export { bindNetwork, type Network } from "./network.js";
export { layerRuns, multiplications } from "./operations.js";
export { type ModelContext, models } from "./registry.js";
export { type ResnetOptions, resnet18 } from "./resnet.js";
