export { describedModel, descriptionSchema } from "./described.js";
export { type Model, type ModelSpec, withState } from "./model.js";
export { bindNetwork, type Network } from "./network.js";
export { type ModelContext, models } from "./registry.js";
export { type ResnetOptions, resnet18 } from "./resnet.js";
