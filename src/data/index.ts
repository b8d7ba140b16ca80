export { type CifarOptions, cifar10 } from "./cifar.js";
export { type Cifar100Options, cifar100 } from "./cifar100.js";
export { type ClassCounts, classCounts, labelsOf } from "./class-counts.js";
export type {
  Batch,
  ClassIndex,
  DataSource,
  Dataset,
  DecodedImages,
  DrawnBy,
  Extra,
  ResidentDataset,
  Split,
  Splits,
} from "./dataset.js";
export { type DescribedImagesOptions, describedImages } from "./described-images.js";
export { extraImages, withExtra } from "./extra.js";
export { cacheFolder, type OnProgress } from "./fetch.js";
export { checkImages, type ImageCheckOptions, type ImageFindings } from "./image-checks.js";
export { type ImageFolderOptions, imageFolder } from "./image-folder.js";
export { imageShape, pixelsOf, type SplitOptions, type SplitsOptions, split, splits } from "./loader.js";
export { type FashionMnistOptions, fashionMnist, type MnistOptions, mnist } from "./mnist.js";
export { type NpzOptions, npzImages } from "./npz-images.js";
export { type DataContext, type DataOrigin, datasets } from "./registry.js";
export { type SvhnOptions, svhn } from "./svhn.js";
export { type SyntheticOptions, synthetic } from "./synthetic.js";
