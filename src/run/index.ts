export { type Difference, differences } from "./differences.js";
export * from "./events.js";
export { type Lock, type LockOwner, lockFolder, lockOwner } from "./lock.js";
export { type EventLog, openLog } from "./log.js";
export { canonicalJson, findManifest, type Manifest, machine, type RunStatus, readManifest } from "./manifest.js";
export { type EventReader, type EventReaderOptions, eventReader, type NewEvents, readEvents } from "./reader.js";
export { type ManifestUpdate, openRun, type Run, type RunOptions } from "./run.js";
