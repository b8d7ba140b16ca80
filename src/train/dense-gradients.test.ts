import { afterAll, describe, expect, test } from "vitest";
import { bits, freeModel, tinyData, tinyNet } from "../../test/support/tiny.js";
import { linf, pgd } from "../attacks/index.js";
import { meanCrossEntropy, pgdAt, trades } from "../losses/index.js";
import { bindNetwork, withState } from "../models/index.js";
import { disposeParams, mapParams, type Params, param, pick } from "../nn/index.js";
import { keptCount, methods } from "../pruning/index.js";
import { liveTensors, noGrad, ops, scope } from "../torch/index.js";
import { rng } from "../util/index.js";
import { denseGradients } from "./dense-gradients.js";

const model = tinyNet();
const { train } = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 2 });
const setting = { train, loss: trades(attack) };
const key = rng(3);
afterAll(() => freeModel(model));

/** The mean cross-entropy of batch `index`, batch norm by the batch, with one weight moved. */
function lossAt(name: string, entry: number, by: number, index: number): number {
  return noGrad(() =>
    scope(() => {
      const { x, y } = train.batch(0, index, key.at("data"));
      const moved = ops.clone(param(model.params, name));
      ops.add_(ops.narrow(ops.view(moved, [-1]), 0, entry, 1), by);
      const params = new Map([...model.params, [name, moved]]);
      const network = bindNetwork(withState(model, { params }), { params, buffers: model.buffers });
      return meanCrossEntropy(network.forward("batch")(x), y).item();
    }),
  );
}

describe("gradients of the network before a search", () => {
  test("are those of the clean cross-entropy by finite differences, the mean over batches", () => {
    const found = scope(() =>
      Array.from(denseGradients(model, setting, key)({ loss: "crossEntropy", batches: 2 }), ([name, g]) => ({
        name,
        g: g.toNumbers(),
      })),
    );
    expect(found.map(({ name }) => name)).toEqual(model.prunable);
    const { name, g } = found[2] as (typeof found)[number];
    const steepest = [...g.keys()].sort((a, b) => Math.abs(g[b] as number) - Math.abs(g[a] as number)).slice(0, 3);
    for (const entry of steepest) {
      const step = 1e-2;
      const slope = (index: number) =>
        (lossAt(name, entry, step, index) - lossAt(name, entry, -step, index)) / (2 * step);
      expect((slope(0) + slope(1)) / 2 / (g[entry] as number)).toBeCloseTo(1, 2);
    }
  });

  test("of the robust loss see adversarial examples, and leave model and statistics as they were", () => {
    const before = bits(model.params, model.buffers);
    const live = liveTensors();
    scope(() => {
      const of = (loss: "robust" | "crossEntropy", at = setting) =>
        denseGradients(model, at, key)({ loss, batches: 1 });
      expect(bits(of("robust"))).toEqual(bits(of("robust")));
      expect(bits(of("robust"))).not.toEqual(bits(of("crossEntropy")));
      // Without room to move, an adversarial example is its image.
      const still = { train, loss: pgdAt(pgd(linf({ eps: 0 }), { steps: 1 })) };
      const [a, b] = [of("robust", still), of("crossEntropy")] as [Params, Params];
      for (const [name, g] of a) expect(ops.amax(ops.abs(ops.sub(g, param(b, name)))).item()).toBeLessThan(1e-6);
    });
    expect(liveTensors()).toBe(live);
    expect(bits(model.params, model.buffers)).toEqual(before);
  });
});

describe("SNIP", () => {
  const make = (options: object) => methods.get("snip").create(methods.get("snip").options.parse(options) as never, {});

  test("ranks weights of all layers together by |w dL/dw|", () => {
    const gradients = denseGradients(model, setting, key);
    const { scores } = make({ keepRatio: 0.1, loss: "crossEntropy" }).init(model, rng(1), gradients);
    scope(() => {
      const raw = gradients({ loss: "crossEntropy", batches: 1 });
      const wanted = mapParams(pick(model.params, model.prunable), (w, name) => ops.abs(ops.mul(w, param(raw, name))));
      expect(bits(scores)).toEqual(bits(wanted));
      const masks = make({ keepRatio: 0.1 }).masks({ scores });
      const all = [...wanted.keys()].flatMap((name) => {
        const kept = param(masks, name).toNumbers();
        return param(wanted, name)
          .toNumbers()
          .map((value, i) => ({ value, kept: kept[i] === 1 }));
      });
      const kept = all.filter((entry) => entry.kept).map(({ value }) => value);
      expect(kept).toHaveLength(keptCount(all.length, 0.1));
      expect(Math.min(...kept)).toBeGreaterThanOrEqual(
        Math.max(...all.filter((entry) => !entry.kept).map(({ value }) => value)),
      );
    });
    disposeParams(scores);
  });

  test("needs a network's gradients", () => {
    expect(() => make({ keepRatio: 0.1 }).init(model, rng(1))).toThrow("snip: expected gradients of the network");
  });
});
