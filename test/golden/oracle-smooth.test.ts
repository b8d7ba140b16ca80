// Products with the Hessian by double backward and by finite differences, on smooth versions of the reference networks.
import { describe, expect, test } from "vitest";
import { hessian, type LossTerm } from "../../src/evaluation/sharpness/hessian.js";
import { flatten } from "../../src/evaluation/sharpness/vectors.js";
import { mapParams, type Params, pick } from "../../src/nn/index.js";
import { manualSeed, ops, scope } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose } from "../support/close.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { forEachOracle } from "../support/oracles.js";
import { type Smoothing, smoothForward, smoothings } from "../support/smooth-network.js";

const IMAGES = 4;

forEachOracle("model", (folder) => {
  describe.each(Object.keys(smoothings) as Smoothing[])("%s", (smoothing) => {
    test("double backward and finite differences agree to 1e-5 in float64", () => {
      const { model, x, y } = oracleNetwork(folder, "float64", { images: IMAGES });
      const forward = smoothForward(folder.json("arch.json"), smoothing);
      const term: LossTerm = (theta) =>
        ops.crossEntropyLoss(forward({ params: new Map([...model.params, ...theta]), buffers: model.buffers }, x), y);
      const theta = pick(model.params, model.prunable);
      const random = (key: string): Params =>
        mapParams(theta, (w, name) => {
          manualSeed(rng(0, key, name));
          return ops.normal_(ops.emptyLike(w));
        });
      for (const direction of ["first", "second"]) {
        scope(() => {
          const v = random(direction);
          const image = (products: "doubleBackward" | "finiteDifferences") => {
            using h = hessian([term], theta, { products });
            return flatten(h.times(v));
          };
          const [exact, moved] = [image("doubleBackward"), image("finiteDifferences")];
          expect(ops.vectorNorm(exact).item()).toBeGreaterThan(0);
          expectClose(`${folder.name} ${smoothing}: H v`, moved, exact, 1e-5, { relativeTo: "norm" });
        });
      }
    }, 120_000);
  });
});
