// Logits of every built-in network at reduced width, against plain PyTorch; weights and images are formulas.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type Model, models, withState } from "../../src/models/index.js";
import { fanIn, type Params } from "../../src/nn/index.js";
import { noGrad, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { expectClose } from "../support/close.js";
import { freeModel } from "../support/tiny.js";

interface Case {
  readonly arch: string;
  readonly options: object;
  readonly running: readonly number[];
  readonly batch: readonly number[];
}
const { cases } = JSON.parse(readFileSync(new URL("data/formulas/models.json", import.meta.url), "utf8")) as {
  readonly cases: readonly Case[];
};

const filled = (shape: readonly number[], value: (i: number) => number) =>
  tensor(
    Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value(i)),
    shape,
  );

function weights(params: Params): Map<string, Tensor> {
  return new Map(
    [...params].map(([name, { shape }], t) => {
      const u = (i: number) => Math.sin(1.7 * i + 2.3 * t + 0.5 + 0.01 * i * i);
      if (shape.length > 1) return [name, filled(shape, (i) => Math.sqrt(6 / fanIn(shape)) * u(i))];
      return [name, filled(shape, name.endsWith("weight") ? (i) => 1 + 0.3 * u(i) : (i) => 0.2 * u(i))];
    }),
  );
}

function statistics(buffers: Params): Map<string, Tensor> {
  const names = [...buffers.keys()].filter((name) => !name.endsWith("num_batches_tracked"));
  return new Map(
    names.map((name, t) => {
      const v = (i: number) => Math.sin(1.1 * i + 1.9 * t + 0.3);
      const shape = buffers.get(name)?.shape ?? [];
      return [name, filled(shape, name.endsWith("mean") ? (i) => 0.2 * v(i) : (i) => 1 + 0.4 * v(i))];
    }),
  );
}

test("every model has a case", () => {
  expect([...new Set(cases.map(({ arch }) => arch))].sort()).toEqual(models.names().sort());
});

test.each(cases)("$arch $options", ({ arch, options, ...wanted }) => {
  const { options: schema, create } = models.get(arch);
  const made: Model = create(schema.parse(options) as never, { seed: 0 });
  noGrad(() =>
    scope(() => {
      const model = withState(made, { params: weights(made.params), buffers: statistics(made.buffers) });
      const x = filled([4, ...made.inputShape], (i) => 0.5 + 0.5 * Math.sin(0.9 * i + 0.2 + 0.003 * i * i));
      for (const batchNorm of ["running", "batch"] as const) {
        const logits = model.forward(model, x, { batchNorm });
        expectClose(`${arch} ${batchNorm}`, logits, wanted[batchNorm], 1e-8, { relativeTo: "largest" });
      }
    }),
  );
  freeModel(made);
});
