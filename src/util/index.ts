export {
  type BootstrapOptions,
  type Bootstrapped,
  bootstrap,
  bootstrapDifference,
  bootstrapMean,
  type Ends,
  type Statistic,
  sharedResamples,
} from "./bootstrap.js";
export { ratioField } from "./eps.js";
export {
  DataError,
  exitCode,
  expected,
  S2apError,
  type S2apErrorOptions,
  ShapeError,
  show,
  TorchError,
  UsageError,
  UseAfterFreeError,
} from "./errors.js";
export { evenly } from "./evenly.js";
export { diskError, makeFolder, removeHalfWritten, sha256, writeAll, writeFileAtomic } from "./files.js";
export { inert, inertJson, inertLines } from "./inert.js";
export { newcombe, type Paired, wilson } from "./interval.js";
export { listNames, nearest, unknownName } from "./nearest.js";
export { erfc, normalCdf, normalQuantile } from "./normal.js";
export { type Checked, checkOptions, expectation, type Problem, parseOptions, pathText } from "./options.js";
export { peakMemory, resetPeakMemory } from "./peak-memory.js";
export { type Ratio, ratio } from "./ratio.js";
export { type AnyEntry, type Entry, entry, type Registry, registry } from "./registry.js";
export { draws, type Rng, rng } from "./rng.js";
export { type MeanInterval, meanInterval } from "./student.js";
export { packageVersion } from "./version.js";
