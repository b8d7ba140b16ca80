import { expect, test } from "vitest";
import type { Params } from "../nn/index.js";
import { trainedKey } from "../pruning/index.js";
import { scope, type Tensor, tensor } from "../torch/index.js";
import { rng } from "../util/index.js";
import type { Evaluation, Objective } from "./gradient.js";
import { plain } from "./plain.js";
import { s2ap } from "./s2ap.js";

const one = (name: string, ...values: number[]): Map<string, Tensor> =>
  new Map([[name, tensor(Float64Array.from(values))]]);

/** Two scores and a rate number c = -2 in one layer; the loss climbs with the gradients given, wherever it is asked. */
function recorded(gradient: ReturnType<typeof s2ap>) {
  const asked: { trained: readonly number[] | undefined }[] = [];
  const trained = one("a", -2);
  const objective: Objective = {
    weights: one("a", 1, 1),
    trained,
    masks: () => one("a", 1, 0),
    evaluate(at): Evaluation {
      asked.push({ trained: at.trained?.get("a")?.toNumbers() });
      const rest: Params = one(trainedKey("a"), asked.length === 1 ? -0.25 : 0.5);
      return { loss: 1, scores: one("a", 3, 4), weights: one("a", 1, 1), rest, masks: one("a", 1, 0) };
    },
  };
  const step = { epoch: 1, epochs: 2, rng: rng(0), weightDecay: 0, detailed: false, state: {} };
  const found = gradient.compute(one("a", 0.3, 0.4), objective, step);
  return { asked, rest: found.rest.get(trainedKey("a"))?.toNumbers(), trained: trained.get("a")?.toNumbers() };
}

test("S2AP leaves rates where they are, but takes their gradient at the perturbed scores", () => {
  scope(() => {
    expect(recorded(s2ap({ warmupEpochs: 0 }))).toEqual({
      asked: [{ trained: undefined }, { trained: undefined }],
      rest: [0.5],
      trained: [-2],
    });
    expect(recorded(plain()).asked).toHaveLength(1);
  });
});

test("S2AP moves each rate uphill by its radius where asked, and gives it back as it was", () => {
  scope(() => {
    const { asked, rest, trained } = recorded(s2ap({ warmupEpochs: 0, perturbRates: 0.1 }));
    expect(asked[0]?.trained).toBeUndefined();
    expect(asked[1]?.trained?.[0]).toBeCloseTo(-2 - 0.1 * 2, 12);
    expect(rest).toEqual([0.5]);
    expect(trained).toEqual([-2]);
  });
});
