import fc from "fast-check";
import { expect, test } from "vitest";
import { opened } from "../../../test/support/foreign.js";
import { disposeParams, type PtValue, type RawTensor } from "../../nn/index.js";
import { type DType, liveTensors } from "../../torch/index.js";
import { DataError, UsageError } from "../../util/index.js";
import { recogniseCheckpoint } from "./layout.js";
import { rebuildMasks } from "./masks.js";

const SIZES: readonly (readonly [DType, number])[] = [
  ["float32", 4],
  ["float16", 2],
  ["bfloat16", 2],
  ["float64", 8],
  ["int64", 8],
  ["uint8", 1],
  ["bool", 1],
];

const tensors: fc.Arbitrary<RawTensor> = fc
  .record({
    type: fc.constantFrom(...SIZES),
    shape: fc.oneof<fc.Arbitrary<readonly number[]>[]>(
      fc.constantFrom<readonly number[]>(
        [],
        [1],
        [2, 3],
        [2, 3, 1, 1],
        [1, 3, 1, 1],
        [2, 1, 1, 1],
        [2],
        [0, 3],
        [2, 3, 2, 2],
      ),
      fc.array(fc.nat(3), { maxLength: 5 }),
    ),
    byte: fc.nat(255),
  })
  .map(({ type: [dtype, size], shape, byte }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Uint8Array.from({ length: count * size }, (_, i) =>
      dtype === "bool" ? i % 2 : (byte * (i + 1)) % 256,
    );
    return { dtype, shape, data };
  });

const leaves = ["weight", "bias", "popup_scores", "k_score", "scores", "mask_weight", "mask_bias", "weight_orig"];
const names = fc
  .tuple(
    fc.constantFrom("", "module.", "basic_model.", "module.basic_model."),
    fc.constantFrom("a.", "b.", "", "sub_block1.", "\n."),
    fc.constantFrom(...leaves, "weight_mask", "num_batches_tracked", "running_mean", "mean"),
  )
  .map((parts) => parts.join(""));

const anything: fc.Arbitrary<PtValue> = fc.oneof(
  fc.constantFrom<PtValue>(null, true, 1.5, 2n ** 70n, "text", Number.NaN),
  tensors,
  fc.array(fc.double()),
);
const states = fc.array(
  fc.tuple(names, fc.oneof({ weight: 9, arbitrary: tensors }, { weight: 1, arbitrary: anything })),
);
const files = fc.oneof(
  { weight: 1, arbitrary: anything },
  { weight: 4, arbitrary: states.map((state) => new Map<PtValue, PtValue>(state)) },
  {
    weight: 4,
    arbitrary: fc
      .tuple(
        states,
        states,
        fc.dictionary(fc.constantFrom("epoch", "best_sa", "best_ra", "args", "optimizer"), anything),
      )
      .map(([state, masks, beside]) => {
        const info = new Map<PtValue, PtValue>([["masks", new Map(masks.map(([name, mask]) => [`${name}_3`, mask]))]]);
        return new Map<PtValue, PtValue>([
          ["state_dict", new Map(state)],
          ["mask_info", info],
          ...Object.entries(beside),
        ]);
      }),
  },
);

test("whatever a file holds, it is taken apart or refused in our words, and nothing stays alive", () => {
  const before = liveTensors();
  fc.assert(
    fc.property(files, fc.constantFrom(undefined, 0.5), (value, keepRatio) => {
      try {
        const checkpoint = recogniseCheckpoint(opened(value));
        const { masks } = rebuildMasks(checkpoint, { keepRatio });
        for (const [name, mask] of masks) expect(mask.shape).toEqual(checkpoint.state.get(name)?.shape);
        disposeParams(masks);
      } catch (error) {
        if (!(error instanceof DataError || error instanceof UsageError)) throw error;
      }
      expect(liveTensors()).toBe(before);
    }),
    { numRuns: 2000 },
  );
});
