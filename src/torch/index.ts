export { autocast, enableGrad, type GradOptions, grad, noGrad, type Precision } from "./autograd.js";
export {
  beginPeakMemory,
  blas,
  EMULATED_BFLOAT16,
  hasBfloat16,
  peakBytes,
  setThreads,
  threads,
  torchVersion,
} from "./engine.js";
export * as ops from "./ops.gen.js";
export { manualSeed } from "./random.js";
export { keep, liveBytes, liveTensors, scope } from "./scope.js";
export {
  type DType,
  fromBytes,
  type MemoryFormat,
  present,
  type Scalar,
  Tensor,
  type TypedArray,
  takeBytes,
  tensor,
  tensorMemory,
  toBytes,
} from "./tensor.js";
