import { describe, expect, test } from "vitest";
import { rows } from "../../test/conformance/model-rows.js";
import { freeModel } from "../../test/support/tiny.js";
import { liveTensors } from "../torch/index.js";
import { UsageError } from "../util/index.js";
import { equivalentForm } from "./equivalent.js";
import { compareWith, fits, guessArchitecture } from "./guess.js";
import { models } from "./registry.js";

type Shapes = Map<string, readonly number[]>;

function shapesOf(arch: string, options: object = {}): Shapes {
  const { options: schema, create } = models.get(arch);
  const model = create(schema.parse(options) as never, { seed: 0 });
  const shapes: Shapes = new Map();
  for (const [name, { shape }] of [...model.params, ...model.buffers]) shapes.set(name, shape);
  freeModel(model);
  return shapes;
}

describe.each(Object.entries(rows))("%s", (arch, { small }) => {
  test("is known by its names and shapes, small as well", () => {
    const before = liveTensors();
    const [best] = guessArchitecture(shapesOf(arch, small));
    expect(best).toMatchObject({ missing: [], unexpected: [], misshapen: [] });
    // Small transformers are one network under three names, and nothing tells their heads and an unnamed patch.
    if (arch.startsWith("vit_")) expect(best?.arch).toMatch(/^vit_/);
    else expect(best?.arch).toBe(arch);
    const { options } = models.get(arch);
    const wanted = options.parse(small) as Record<string, unknown>;
    // Nothing in a network with global pooling tells the size of its images.
    const told = Object.entries(best?.options ?? {}).filter(([key]) => key !== "heads" && key !== "patch");
    for (const [key, value] of told) expect([key, value]).toEqual([key, wanted[key]]);
    expect(liveTensors()).toBe(before);
  });
});

test("networks of the standard size are told from those of other depth and width", () => {
  for (const arch of ["resnet18", "wrn_28_4", "wrn_40_2", "vgg16_bn"]) {
    const [best] = guessArchitecture(shapesOf(arch, { numClasses: 100 }));
    expect(best).toMatchObject({ arch, options: { numClasses: 100 }, missing: [], unexpected: [], misshapen: [] });
  }
});

test("transformers of the standard sizes are told by their own name, with their heads", () => {
  const sizes = [
    ["vit_ti", 192, 3, 224, 16],
    ["vit_s", 384, 6, 32, 4],
  ] as const;
  for (const [arch, width, heads, imageSize, patch] of sizes) {
    const options = { width, heads, imageSize, patch, depth: 12, numClasses: 7 };
    const [best] = guessArchitecture(shapesOf(arch, { imageSize, numClasses: 7 }));
    expect(best).toEqual({ arch, options, missing: [], unexpected: [], misshapen: [] });
  }
});

test("counters of batches may be absent", () => {
  const shapes = shapesOf("resnet18", { width: 4 });
  for (const name of [...shapes.keys()].filter((key) => key.endsWith("num_batches_tracked"))) shapes.delete(name);
  expect(guessArchitecture(shapes)[0]).toMatchObject({ arch: "resnet18", missing: [], unexpected: [] });
});

test("one wrong shape, one name too few and one too many are no network, and are named", () => {
  const shapes = shapesOf("resnet18", { width: 4 });
  shapes.set("layer3.0.conv2.weight", [16, 8, 3, 3]);
  shapes.delete("bn1.running_var");
  shapes.set("extra.weight", [3]);
  const guesses = guessArchitecture(shapes);
  expect(guesses[0]).toEqual({
    arch: "resnet18",
    options: { width: 4, numClasses: 10 },
    missing: ["bn1.running_var"],
    unexpected: ["extra.weight"],
    misshapen: [{ name: "layer3.0.conv2.weight", expected: [16, 16, 3, 3], got: [16, 8, 3, 3] }],
  });
  expect(guesses.length).toBe(3);
  expect(guesses.some(fits)).toBe(false);
});

test("shapes that no option gives are compared with the network at its defaults", () => {
  const shapes = shapesOf("resnet18", { width: 4 });
  shapes.set("linear.weight", [1, 32]);
  const [best] = guessArchitecture(shapes);
  expect(best).toMatchObject({ arch: "resnet18", options: {} });
  expect(best?.misshapen[0]).toEqual({ name: "conv1.weight", expected: [64, 3, 3, 3], got: [4, 3, 3, 3] });
});

test("names that no network has are none's", () => {
  expect(guessArchitecture(new Map([["encoder.w", [2, 2]]]))).toEqual([]);
  const masks = new Map(Array.from(shapesOf("vgg13_bn", { width: 4 })).filter(([, shape]) => shape.length > 1));
  expect(guessArchitecture(masks)[0]?.arch).toBe("vgg13_bn");
});

test("a named network is compared as it is asked for", () => {
  const shapes = shapesOf("resnet18", { width: 4 });
  expect(fits(compareWith("resnet18", shapes))).toBe(true);
  expect(compareWith("resnet18", shapes, { numClasses: 7 }).misshapen.map(({ name }) => name)).toEqual([
    "linear.weight",
    "linear.bias",
  ]);
  expect(() => compareWith("resnet19", shapes)).toThrow(UsageError);
});

describe("other notations", () => {
  /** RST's: no affine parameters in batch norms, a 1 x 1 convolution at the end. */
  function rst(): Shapes {
    const shapes = shapesOf("resnet18", { width: 4 });
    for (const name of [...shapes.keys()]) {
      const norm = name.replace(/\.running_mean$/, "");
      if (norm === name) continue;
      shapes.delete(`${norm}.weight`);
      shapes.delete(`${norm}.bias`);
    }
    shapes.delete("linear.weight");
    shapes.delete("linear.bias");
    return shapes.set("fc.weight", [10, 32, 1, 1]);
  }

  test("RST's cResNet18 is a resnet18 with constants", () => {
    const shapes = rst();
    expect(guessArchitecture(shapes)[0]).toMatchObject({
      arch: "resnet18",
      missing: [],
      unexpected: [],
      misshapen: [],
    });
    const { renamed, constants, notes } = equivalentForm(shapes);
    expect([...renamed]).toEqual([["linear.weight", "fc.weight"]]);
    expect(constants.size).toBe(2 * 20 + 1);
    expect([constants.get("bn1.weight"), constants.get("bn1.bias"), constants.get("linear.bias")]).toEqual([1, 0, 0]);
    expect(notes).toEqual([
      "20 batch norms without weight and bias get weight 1 and bias 0",
      "fc, a 1 x 1 convolution without bias, becomes the linear layer linear with bias 0",
    ]);
  });

  test("FlyingBird's normalisation is an option of the network", () => {
    const shapes: Shapes = new Map([
      ["normalize.mean", [3]],
      ["normalize.std", [3]],
    ]);
    for (const [name, shape] of shapesOf("preactresnet18", { width: 4 })) shapes.set(name, shape);
    expect(guessArchitecture(shapes)[0]).toMatchObject({ arch: "preactresnet18", missing: [], unexpected: [] });
    expect(equivalentForm(shapes).normalize).toEqual({ mean: "normalize.mean", std: "normalize.std" });
  });

  test("ours stays as it is", () => {
    for (const [arch, { small }] of Object.entries(rows)) {
      const shapes = shapesOf(arch, small);
      const form = equivalentForm(shapes);
      expect([...form.shapes]).toEqual([...shapes]);
      expect([form.notes, form.constants.size, form.renamed.size, form.normalize]).toEqual([[], 0, 0, undefined]);
    }
  });
});

test("a width or a number of classes that one tensor claims makes no network that fills the memory", () => {
  for (const [name, shape] of [
    ["conv1.weight", [100_000, 3, 3, 3]],
    ["conv1.weight", [1_000_000_000, 0, 3, 3]],
    ["linear.weight", [20_000_000, 1]],
    ["linear.weight", [1_000_000_000, 0]],
  ] as const) {
    const shapes = shapesOf("resnet18", { width: 2 });
    shapes.set(name, shape);
    const [best] = guessArchitecture(shapes);
    expect([best?.arch, best?.options]).toEqual(["resnet18", {}]);
    expect(best?.misshapen.length).toBeGreaterThan(10);
  }
});

test("nor do channels, or sizes of images, that others contradict", () => {
  for (const [name, shape] of [
    ["0.weight", [16, 1_000_000_000, 4, 0]],
    ["2.weight", [1, 16, 4, 4]],
    ["5.weight", [10_000, 25_000]],
  ] as const) {
    const shapes = shapesOf("cnn_small");
    shapes.set(name, shape);
    const [best] = guessArchitecture(shapes);
    expect(best?.misshapen.length).toBeGreaterThan(0);
    expect(best?.options.imageSize ?? 28).toBe(28);
  }
});

test("a network wider than usual, with many classes, is still told", () => {
  const options = { width: 80, numClasses: 2000 };
  expect(guessArchitecture(shapesOf("resnet18", options))[0]).toMatchObject({ options, misshapen: [] });
});
