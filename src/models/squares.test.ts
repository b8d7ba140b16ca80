// How squares spread, against a convolution by which every output that sees a changed pixel changes.
import { expect, test } from "vitest";
import { ops, scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import { around, outputSize, places, reached, type Squares, seen } from "./squares.js";

const size = { height: 13, width: 14 };
const at = (tops: number[], lefts: number[], side: number): Squares => ({
  ...{ tops: Int32Array.from(tops), lefts: Int32Array.from(lefts), side },
});
/** Every place of a square of this side. */
function everywhere(side: number): Squares {
  const corners = Array.from({ length: size.height - side + 1 }, (_, top) =>
    Array.from({ length: size.width - side + 1 }, (_, left) => [top, left] as const),
  ).flat();
  return at(
    corners.map(([top]) => top),
    corners.map(([, left]) => left),
    side,
  );
}

/** Ones in the squares of maps [N,1,H,W]. */
function marked(squares: Squares, { height, width } = size): Tensor {
  const count = squares.tops.length;
  const images = Int32Array.from({ length: count }, (_, i) => i);
  const flat = new Float32Array(count * height * width + 1);
  for (const place of places(squares, images, { height, width }, flat.length - 1).toNumbers()) flat[place] = 1;
  return tensor(flat.slice(0, -1), [count, 1, height, width]);
}

const fields = [
  { kernel: 3, stride: 1, padding: 1 },
  { kernel: 3, stride: 2, padding: 1 },
  { kernel: 1, stride: 2, padding: 0 },
  { kernel: 5, stride: 1, padding: 0 },
  { kernel: 2, stride: 2, padding: 0 },
  { kernel: 4, stride: 3, padding: 2 },
];

test.each(fields.flatMap((field) => [1, 2, 4].map((side) => ({ ...field, side }))))(
  "kernel $kernel, stride $stride, padding $padding: squares of $side",
  ({ side, ...field }) => {
    scope(() => {
      const squares = everywhere(side);
      const { kernel, stride, padding } = field;
      const changed = ops.conv2d(marked(squares), ops.ones([1, 1, kernel, kernel]), { stride, padding });
      const after = outputSize(field, size);
      expect(changed.shape.slice(2)).toEqual([after.height, after.width]);
      const spread = reached(field, squares, after);
      const inside = marked(spread, after);
      // All that changes is inside, and the squares lie in the map: `marked` would otherwise have fewer pixels.
      expect(ops.any(ops.logicalAnd(ops.gt(changed, 0), ops.eq(inside, 0))).item()).toBe(0);
      expect(ops.sum(inside).item()).toBe(spread.side ** 2 * squares.tops.length);
      // And what is read for these outputs is what a convolution of the whole map reads.
      const images = Int32Array.from(squares.tops, (_, i) => i);
      const drawn = ops.reshape(
        tensor(
          Float32Array.from({ length: images.length * size.height * size.width }, (_, i) =>
            rng(1, "squares", i).uniform(),
          ),
        ),
        [images.length, 1, size.height, size.width],
      );
      const rows = ops.cat([ops.flatten(drawn), ops.zeros([1])]);
      const input = seen(field, spread);
      const pixels = places(input, images, size, rows.numel - 1);
      const part = ops.reshape(ops.indexSelect(rows, 0, pixels), [-1, 1, input.side, input.side]);
      const weight = tensor(
        Float32Array.from({ length: kernel ** 2 }, (_, i) => i + 1),
        [1, 1, kernel, kernel],
      );
      const whole = ops.flatten(ops.conv2d(drawn, weight, { stride, padding }));
      const wanted = ops.indexSelect(whole, 0, places(spread, images, after, whole.numel));
      expect(ops.flatten(ops.conv2d(part, weight, { stride })).toNumbers()).toEqual(wanted.toNumbers());
    });
  },
);

test("around two squares is the least side that holds every pair, inside of the map", () => {
  const both = around(at([0, 11], [3, 8], 2), at([1, 10], [2, 7], 3), size);
  expect(both).toEqual(at([0, 9], [2, 7], 4));
  expect(around(at([2], [2], 3), at([3], [3], 1), size)).toEqual(at([2], [2], 3));
});
