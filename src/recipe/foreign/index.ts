export { type Adopted, type AdoptOptions, adoptCheckpoint } from "./adopt.js";
export type { Dropped, ForeignCheckpoint, LayoutName, OpenedFile } from "./checkpoint.js";
export { type Inspection, type InspectOptions, inspectCheckpoint } from "./inspect.js";
export { readForeign, recogniseCheckpoint } from "./layout.js";
export { type MaskOptions, type MaskPlan, planMasks, type RebuiltMasks, rebuildMasks } from "./masks.js";
export { layerZeros, sparsityOf } from "./zeros.js";
