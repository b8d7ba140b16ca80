// What each gradient costs, from the counter of passes that training and attacks share, and what the log says of it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd } from "../../src/attacks/index.js";
import { natural, pgdAt, type RobustLoss, trades } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { disposeParams } from "../../src/nn/index.js";
import { sgd } from "../../src/optim/index.js";
import { hydra } from "../../src/pruning/index.js";
import { gradients, type ScoreGradient } from "../../src/sharpness/index.js";
import { search } from "../../src/train/index.js";
import { freeModel, tinyData, trainedTiny } from "../support/tiny.js";

const data = tinyData();
const { steps } = data.train;
const threat = linf({ eps: "8/255" });
/** A loss of one forward and one backward pass on examples of so many attack steps. */
const lossOf = (attackSteps: number): RobustLoss =>
  attackSteps === 0 ? natural(threat) : pgdAt(pgd(threat, { steps: attackSteps }));

/** Passes of a step at PGD-k, forward and backward alike. A gradient without a row costs one more than plain. */
const rows: readonly (readonly [name: string, options: object, passes: (k: number) => number])[] = [
  ["plain", {}, (k) => k + 1],
  ["s2ap", { ascentSteps: 3 }, (k) => k + 4],
  ["s2ap", { randomStart: true }, (k) => k + 3],
  ["s2ap", { recraft: true }, (k) => 2 * k + 2],
  ["s2ap", { gamma: "auto" }, (k) => k + 2],
  ...gradients
    .names()
    .filter((name) => name !== "plain")
    .map((name) => [name, {}, (k: number) => k + 2] as const),
];
const table = rows.flatMap(([name, options, passes]) =>
  [0, 1, 3].map((k) => ({ label: `${name} ${JSON.stringify(options)}`, name, options, k, wanted: passes(k) })),
);

function made(name: string, options: object): ScoreGradient {
  const { options: schema, create } = gradients.get(name);
  const early = schema.safeParse({ ...options, warmupEpochs: 0 });
  return create((early.success ? early.data : schema.parse(options)) as never, {}) as ScoreGradient;
}

let model: Model;
beforeAll(async () => {
  model = await trainedTiny(data);
});
afterAll(() => freeModel(model));

async function epochs(gradient: ScoreGradient, loss: RobustLoss, count = 1) {
  const method = hydra({ keepRatio: 0.2 });
  const optimizer = sgd({ lr: 0.01 });
  const selectionAttack = pgd(threat, { steps: 1 });
  const found = await search(model, { ...data, loss, optimizer, selectionAttack, method, gradient, epochs: count });
  disposeParams(found.masks, found.model.params, found.model.buffers);
  return found.history;
}

test.each(table)("a step of $label at PGD-$k makes $wanted passes", async ({ name, options, k, wanted }) => {
  const [epoch] = await epochs(made(name, options), lossOf(k));
  expect(epoch?.passes).toEqual({ forward: wanted * steps, backward: wanted * steps });
  expect(epoch?.forwardCost).toBeCloseTo(wanted / (k + 1), 12);
  expect(epoch?.backwardCost).toBeCloseTo(wanted / (k + 1), 12);
});

describe("the cost in the log", () => {
  test("tells forward from backward passes", async () => {
    const [epoch] = await epochs(made("s2ap", {}), trades(pgd(threat, { steps: 2 })));
    // TRADES: the clean prediction, two attack steps and a pass of two images; then those two again.
    expect(epoch?.passes).toEqual({ forward: 7 * steps, backward: 4 * steps });
    expect(epoch?.forwardCost).toBeCloseTo(7 / 5, 12);
    expect(epoch?.backwardCost).toBeCloseTo(4 / 3, 12);
  });

  test("is 1 in the warm-up", async () => {
    const { options, create } = gradients.get("s2ap");
    const gradient = create(options.parse({ warmupEpochs: 1 }) as never, {}) as ScoreGradient;
    const [first, second] = await epochs(gradient, lossOf(1), 2);
    expect(first).toMatchObject({ forwardCost: 1, backwardCost: 1 });
    expect(second).toMatchObject({ forwardCost: 1.5, backwardCost: 1.5 });
  });
});
