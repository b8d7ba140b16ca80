// Our attacks in the faithful mode, the counterpart of peers/attack.py: one run on one batch, all images kept to the end.
// Options: attack ("apgd-ce", "fab-t" or "square"), iterations, eps, width, batch, seed.

import { apgdSearch, fabSearch, linf, rankedClasses, runSearch, squareSearch } from "../../dist/attacks/index.js";
import { bindNetwork, resnet18 } from "../../dist/models/index.js";
import { noGrad, ops, scope } from "../../dist/torch/index.js";
import { rng } from "../../dist/util/index.js";
import { randomBatch } from "./batch.js";
import { options, turnTaker } from "./protocol.js";

const { attack, iterations, eps, width, batch, seed } = options();
const threat = linf({ eps: String(eps) });
const searches = {
  "apgd-ce": () => apgdSearch(threat, { steps: iterations, loss: "ce" }),
  "fab-t": () => fabSearch(threat, { steps: iterations, targeted: true, faithful: true }),
  square: () => squareSearch(threat, { queries: iterations }),
};
const search = searches[attack]();

const model = resnet18({ width, seed });
const { victim } = bindNetwork(model, model);
const { x } = randomBatch(batch, seed);
// Labels are what the network says, so that every image is classified correctly as it is.
const [y, target] = noGrad(() =>
  scope(() => {
    const ranked = rankedClasses(victim.logits(x));
    return [0, 1].map((rank) => ops.clone(ops.select(ranked, 1, rank)));
  }),
);
const indices = Int32Array.from({ length: batch }, (_, image) => image);
let turn = 0;

function step() {
  turn += 1;
  const context = { x, y, target, indices, victim, rng: rng(seed, "bench", turn) };
  const { broken } = runSearch(search, threat, context, { leave: false });
  return broken.filter(Boolean).length / batch;
}

const takeTurn = turnTaker(victim.passes);
takeTurn();
while (true) takeTurn(scope(step));
