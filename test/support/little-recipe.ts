/** A recipe whose stages are of two steps each, on generated images. */
export const LITTLE_RECIPE = `
data: { name: synthetic, batchSize: 16, examples: 32, selection: 16, testExamples: 32, numClasses: 2, size: 8 }
model: { arch: resnet18, numClasses: 2, width: 4, imageSize: 8 }
threat: { norm: linf, eps: 8/255 }
loss: { name: pgd-at, attack: { name: pgd, steps: 1 } }
optimizer: { name: sgd, lr: 0.01 }
stages:
  pretrain: { epochs: 1 }
  search: { epochs: 1, method: { name: hydra, keepRatio: 0.5 } }
  finetune: { epochs: 1 }
evaluation: [{ name: pgd, steps: 2, examples: 24 }]
`;
