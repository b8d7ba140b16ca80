// The models' counts. Those of resnet18, vgg16_bn, wrn_28_4 and imagenet_resnet50 are those of the references' code; the
// others' were counted once on networks in plain PyTorch.
export interface Row {
  /** Options at which the published counts hold. */
  readonly standard: object;
  /** Options of a net that is quick to run. */
  readonly small: object;
  /** Entries of a dense state_dict, trainable numbers, prunable layers and their weights. */
  readonly entries: number;
  readonly trainable: number;
  readonly layers: number;
  readonly prunable: number;
  /** Weights kept in all, at 20, 10, 5 and 1 %. */
  readonly kept: readonly [number, number, number, number];
  /** Norms that are folded for evaluation, and convolutions whose channels only one other convolution reads. */
  readonly folds: readonly [number, number];
  /** Names that a loader of published checkpoints looks for, with their shapes. */
  readonly names: Readonly<Record<string, readonly number[]>>;
  /** Prunable names at these positions: module order, shortcuts behind their block. */
  readonly order: Readonly<Record<number, string>>;
}

type Kept = Row["kept"];
const counts = (entries: number, trainable: number, layers: number, prunable: number, kept: Kept) => ({
  standard: {},
  entries,
  trainable,
  layers,
  prunable,
  kept,
});
const small = (width: number, imageSize = 16) => ({ small: { width, imageSize, numClasses: 5 } });

const normEntries = (name: string, channels: number) => ({
  [`${name}.weight`]: [channels],
  [`${name}.bias`]: [channels],
  [`${name}.running_mean`]: [channels],
  [`${name}.running_var`]: [channels],
  [`${name}.num_batches_tracked`]: [],
});

const vgg16Convolutions = [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40];
const vggHead = {
  "classifier.0.weight": [256, 2048],
  "classifier.0.bias": [256],
  "classifier.2.weight": [256, 256],
  "classifier.2.bias": [256],
  "classifier.4.weight": [10, 256],
  "classifier.4.bias": [10],
};

const residual: Readonly<Record<string, Row>> = {
  resnet18: {
    ...counts(122, 11_173_962, 21, 11_164_352, [2_232_880, 1_116_445, 558_228, 111_653]),
    ...small(4),
    folds: [20, 8],
    names: {
      "conv1.weight": [64, 3, 3, 3],
      ...normEntries("bn1", 64),
      "layer1.0.conv1.weight": [64, 64, 3, 3],
      "layer1.1.conv2.weight": [64, 64, 3, 3],
      "layer2.0.conv1.weight": [128, 64, 3, 3],
      "layer2.0.shortcut.0.weight": [128, 64, 1, 1],
      "layer2.0.shortcut.1.running_var": [128],
      "layer4.1.bn2.bias": [512],
      "linear.weight": [10, 512],
      "linear.bias": [10],
    },
    order: {
      0: "conv1.weight",
      7: "layer2.0.shortcut.0.weight",
      12: "layer3.0.shortcut.0.weight",
      17: "layer4.0.shortcut.0.weight",
      20: "linear.weight",
    },
  },
  resnet34: {
    ...counts(218, 21_282_122, 37, 21_265_088, [4_253_034, 2_126_527, 1_063_274, 212_669]),
    ...small(3),
    folds: [36, 16],
    names: {
      "layer1.2.conv2.weight": [64, 64, 3, 3],
      "layer2.3.conv1.weight": [128, 128, 3, 3],
      "layer3.5.bn1.running_mean": [256],
      "layer4.0.shortcut.0.weight": [512, 256, 1, 1],
      "linear.weight": [10, 512],
    },
    order: { 9: "layer2.0.shortcut.0.weight", 36: "linear.weight" },
  },
  resnet50: {
    ...counts(320, 23_520_842, 54, 23_467_712, [4_693_567, 2_346_798, 1_173_414, 234_700]),
    ...small(2),
    folds: [53, 32],
    names: {
      "conv1.weight": [64, 3, 3, 3],
      "layer1.0.conv1.weight": [64, 64, 1, 1],
      "layer1.0.conv2.weight": [64, 64, 3, 3],
      "layer1.0.conv3.weight": [256, 64, 1, 1],
      "layer1.0.bn3.weight": [256],
      "layer1.0.shortcut.0.weight": [256, 64, 1, 1],
      "layer4.0.conv1.weight": [512, 1024, 1, 1],
      "layer4.0.shortcut.1.bias": [2048],
      "linear.weight": [10, 2048],
    },
    order: { 3: "layer1.0.conv3.weight", 4: "layer1.0.shortcut.0.weight", 53: "linear.weight" },
  },
  preactresnet18: {
    ...counts(107, 11_172_170, 21, 11_164_352, [2_232_880, 1_116_445, 558_228, 111_653]),
    ...small(4),
    folds: [8, 8],
    names: {
      "conv1.weight": [64, 3, 3, 3],
      ...normEntries("layer2.0.bn1", 64),
      "layer2.0.bn2.weight": [128],
      "layer2.0.conv1.weight": [128, 64, 3, 3],
      "layer2.0.shortcut.0.weight": [128, 64, 1, 1],
      "layer4.1.conv2.weight": [512, 512, 3, 3],
      ...normEntries("bn", 512),
      "linear.weight": [10, 512],
      "linear.bias": [10],
    },
    order: { 7: "layer2.0.shortcut.0.weight", 20: "linear.weight" },
  },
  imagenet_resnet18: {
    ...counts(122, 11_689_512, 21, 11_678_912, [2_335_792, 1_167_901, 583_956, 116_798]),
    ...small(4, 32),
    folds: [20, 8],
    names: {
      "conv1.weight": [64, 3, 7, 7],
      "layer2.0.downsample.0.weight": [128, 64, 1, 1],
      "fc.weight": [1000, 512],
      "fc.bias": [1000],
    },
    order: { 7: "layer2.0.downsample.0.weight", 20: "fc.weight" },
  },
  imagenet_resnet34: {
    ...counts(218, 21_797_672, 37, 21_779_648, [4_355_946, 2_177_983, 1_089_002, 217_814]),
    ...small(3, 32),
    folds: [36, 16],
    names: { "layer3.5.conv2.weight": [256, 256, 3, 3], "fc.weight": [1000, 512] },
    order: { 36: "fc.weight" },
  },
  imagenet_resnet50: {
    ...counts(320, 25_557_032, 54, 25_502_912, [5_100_607, 2_550_318, 1_275_174, 255_052]),
    ...small(2, 32),
    folds: [53, 32],
    names: {
      "conv1.weight": [64, 3, 7, 7],
      ...normEntries("layer1.0.downsample.1", 256),
      "layer1.0.downsample.0.weight": [256, 64, 1, 1],
      "layer2.0.conv2.weight": [128, 128, 3, 3],
      "layer4.2.conv3.weight": [2048, 512, 1, 1],
      "fc.weight": [1000, 2048],
      "fc.bias": [1000],
    },
    order: { 4: "layer1.0.downsample.0.weight", 53: "fc.weight" },
  },
};

const wide: Readonly<Record<string, Row>> = {
  wrn_28_4: {
    ...counts(155, 5_849_050, 29, 5_841_840, [1_168_380, 584_199, 292_108, 58_434]),
    ...small(1),
    folds: [13, 12],
    names: {
      "conv1.weight": [16, 3, 3, 3],
      ...normEntries("block1.layer.0.bn1", 16),
      "block1.layer.0.bn2.weight": [64],
      "block1.layer.0.conv1.weight": [64, 16, 3, 3],
      "block1.layer.0.convShortcut.weight": [64, 16, 1, 1],
      "block3.layer.3.conv2.weight": [256, 256, 3, 3],
      ...normEntries("bn1", 256),
      "fc.weight": [10, 256],
      "fc.bias": [10],
    },
    order: {
      0: "conv1.weight",
      3: "block1.layer.0.convShortcut.weight",
      12: "block2.layer.0.convShortcut.weight",
      28: "fc.weight",
    },
  },
  wrn_28_10: {
    ...counts(155, 36_479_194, 29, 36_461_232, [7_292_247, 3_646_124, 1_823_062, 364_614]),
    ...small(1),
    folds: [13, 12],
    names: { "block3.layer.0.convShortcut.weight": [640, 320, 1, 1], "fc.weight": [10, 640] },
    order: { 3: "block1.layer.0.convShortcut.weight", 28: "fc.weight" },
  },
  wrn_34_10: {
    ...counts(191, 46_160_474, 35, 46_138_032, [9_227_607, 4_613_804, 2_306_902, 461_382]),
    ...small(1),
    folds: [16, 15],
    names: { "block3.layer.4.conv2.weight": [640, 640, 3, 3], "fc.weight": [10, 640] },
    order: { 3: "block1.layer.0.convShortcut.weight", 34: "fc.weight" },
  },
  wrn_40_2: {
    ...counts(227, 2_243_546, 41, 2_238_128, [447_649, 223_832, 111_923, 22_404]),
    ...small(2),
    folds: [19, 18],
    names: { "block3.layer.5.conv2.weight": [128, 128, 3, 3], "fc.weight": [10, 128] },
    order: { 3: "block1.layer.0.convShortcut.weight", 40: "fc.weight" },
  },
};

const plain: Readonly<Record<string, Row>> = {
  vgg11_bn: {
    ...counts(54, 9_816_138, 11, 9_810_112, [1_962_028, 981_015, 490_510, 98_106]),
    ...small(4),
    folds: [8, 7],
    names: { "features.0.weight": [64, 3, 3, 3], "features.25.weight": [512, 512, 3, 3], ...vggHead },
    order: { 1: "features.4.weight", 8: "classifier.0.weight", 10: "classifier.4.weight" },
  },
  vgg13_bn: {
    ...counts(66, 10_000_842, 13, 9_994_432, [1_998_893, 999_448, 499_727, 99_950]),
    ...small(4),
    folds: [10, 9],
    names: { "features.0.weight": [64, 3, 3, 3], "features.31.weight": [512, 512, 3, 3], ...vggHead },
    order: { 1: "features.3.weight", 10: "classifier.0.weight", 12: "classifier.4.weight" },
  },
  vgg16_bn: {
    ...counts(84, 15_311_818, 16, 15_302_848, [3_060_578, 1_530_291, 765_149, 153_035]),
    ...small(4),
    folds: [13, 12],
    names: { "features.0.weight": [64, 3, 3, 3], ...normEntries("features.41", 512), ...vggHead },
    order: {
      ...Object.fromEntries(vgg16Convolutions.map((at, i) => [i, `features.${at}.weight`])),
      13: "classifier.0.weight",
      14: "classifier.2.weight",
      15: "classifier.4.weight",
    },
  },
  cnn_small: {
    ...counts(8, 166_406, 4, 166_248, [33_251, 16_626, 8_313, 1_663]),
    ...small(0.25, 12),
    folds: [0, 1],
    names: {
      "0.weight": [16, 1, 4, 4],
      "0.bias": [16],
      "2.weight": [32, 16, 4, 4],
      "5.weight": [100, 1568],
      "7.weight": [10, 100],
      "7.bias": [10],
    },
    order: { 0: "0.weight", 3: "7.weight" },
  },
  cnn_large: {
    ...counts(14, 1_974_762, 7, 1_973_536, [394_710, 197_357, 98_680, 19_739]),
    small: { width: 0.125, imageSize: 12, numClasses: 5, channels: 3 },
    folds: [0, 3],
    names: {
      "0.weight": [32, 1, 3, 3],
      "2.weight": [32, 32, 4, 4],
      "6.weight": [64, 64, 4, 4],
      "9.weight": [512, 3136],
      "11.weight": [512, 512],
      "13.weight": [10, 512],
      "13.bias": [10],
    },
    order: { 0: "0.weight", 4: "9.weight", 6: "13.weight" },
  },
};

const vitSmall = (width: number, heads: number) => ({
  small: { width, heads, depth: 2, imageSize: 12, numClasses: 5 },
});
const vitNames = (width: number) => ({
  cls_token: [1, 1, width],
  pos_embed: [1, 65, width],
  "patch_embed.proj.weight": [width, 3, 4, 4],
  "patch_embed.proj.bias": [width],
  "blocks.0.norm1.weight": [width],
  "blocks.0.norm1.bias": [width],
  "blocks.0.attn.qkv.weight": [3 * width, width],
  "blocks.0.attn.qkv.bias": [3 * width],
  "blocks.5.attn.proj.weight": [width, width],
  "blocks.5.attn.proj.bias": [width],
  "blocks.11.norm2.bias": [width],
  "blocks.11.mlp.fc1.weight": [4 * width, width],
  "blocks.11.mlp.fc1.bias": [4 * width],
  "blocks.11.mlp.fc2.weight": [width, 4 * width],
  "blocks.11.mlp.fc2.bias": [width],
  "norm.weight": [width],
  "norm.bias": [width],
  "head.weight": [10, width],
  "head.bias": [10],
});
const vitOrder = {
  0: "patch_embed.proj.weight",
  1: "blocks.0.attn.qkv.weight",
  2: "blocks.0.attn.proj.weight",
  3: "blocks.0.mlp.fc1.weight",
  4: "blocks.0.mlp.fc2.weight",
  49: "head.weight",
};

/** Of width D at 32 pixels: 12 (12 D D + 13 D) in the blocks, 48 D + D + D + 65 D before and 2 D + 10 D + 10 behind them. */
const transformers: Readonly<Record<string, Row>> = {
  vit_ti: {
    ...counts(152, 5_362_762, 50, 5_319_552, [1_063_940, 531_982, 265_997, 53_213]),
    ...vitSmall(12, 3),
    folds: [0, 0],
    names: vitNames(192),
    order: vitOrder,
  },
  vit_s: {
    ...counts(152, 21_342_346, 50, 21_255_936, [4_251_207, 2_125_616, 1_062_826, 212_588]),
    ...vitSmall(12, 2),
    folds: [0, 0],
    names: vitNames(384),
    order: vitOrder,
  },
  vit_b: {
    ...counts(152, 85_152_010, 50, 84_979_200, [16_995_869, 8_497_947, 4_248_980, 849_806]),
    ...vitSmall(8, 1),
    folds: [0, 0],
    names: vitNames(768),
    order: vitOrder,
  },
};

export const rows: Readonly<Record<string, Row>> = { ...residual, ...wide, ...plain, ...transformers };
