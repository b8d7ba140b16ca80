export { type CifarOptions, cifar10 } from "./cifar.js";
export type { Batch, DataSource, Dataset, Extra, Split, Splits } from "./dataset.js";
export { type DescribedImagesOptions, describedImages } from "./described-images.js";
export { extraImages, withExtra } from "./extra.js";
export { cacheFolder, type OnProgress } from "./fetch.js";
export { type SplitOptions, type SplitsOptions, split, splits } from "./loader.js";
export { type DataContext, datasets } from "./registry.js";
export { type SyntheticOptions, synthetic } from "./synthetic.js";
