export { decodePt, type PtFile, readPt } from "./checkpoint/pt.js";
export { isPtTensor, type PtValue } from "./checkpoint/pt-values.js";
export { encodePt } from "./checkpoint/pt-write.js";
export {
  decodeSafetensors,
  encodeSafetensors,
  type RawTensor,
  readMetadata,
  readSafetensors,
} from "./checkpoint/safetensors.js";
export { loadTensors, saveTensors, takeTensors } from "./checkpoint/tensors.js";
export { type BatchNormMode, batchNorm, conv2d, linear, widen } from "./functional.js";
export { batchNormInit, defaultInit, fanIn, layerNormInit, normal, uniform } from "./init.js";
export {
  channelsLast,
  cloneParams,
  copyInto,
  disposeParams,
  type LayerRun,
  type LayerTensors,
  type ModelState,
  mapParams,
  type Params,
  param,
  pick,
} from "./params.js";
export { countPasses, type Passes } from "./passes.js";
export { attention, layerNorm, tokens } from "./transformer.js";
