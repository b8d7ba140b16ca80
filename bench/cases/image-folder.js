// Loading an image folder at ResNet-50's input (JPEGs of 500 x 375, random regions scaled to 224 x 224) against the plain training step of
// that network on batches that are there already. A ratio below 1 means that a network never waits for its images; that of an adversarial
// training step, which is several times as long, is smaller by as much.

const options = { batch: 16, seed: 1 };

export default [
  {
    name: "image-folder",
    contenders: {
      loading: { runtime: "node", script: "ours/image-folder.js", options, steps: 20, warmup: 8 },
      training: { runtime: "node", script: "ours/imagenet-step.js", options, steps: 1, warmup: 1 },
    },
    rows: [
      {
        name: "image-folder",
        peer: "our ImageNet ResNet-50 training step",
        ours: "loading",
        theirs: "training",
        bound: "atMost",
        goal: 1,
        note: `batch ${options.batch}, 224 x 224, JPEGs of 500 x 375, 2 decoders; a float32 step without an attack; of the 20 batches of a turn two are ready when it begins`,
      },
    ],
  },
];
