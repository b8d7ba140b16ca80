// A whole list of attacks as the product runs it. Options: folder or run (see evaluation-network.js), images, mode
// ("default" or "faithful"), preset, seed. The loss told to the harness is robust accuracy.

import { attackList, buildAttacks, evaluationMode, faithfulSpecs, preset } from "../../dist/evaluation/index.js";
import { scope } from "../../dist/torch/index.js";
import { evaluated } from "./evaluation-network.js";
import { options, turnTaker } from "./protocol.js";

const { mode, images, preset: name, seed, ...network } = options();
const { model, test, threat } = await evaluated(network);
const counts = { forward: 0, backward: 0, standing: 0 };

const faithful = mode === "faithful";

function evaluate() {
  const { [threat.norm]: specs } = preset(name).lists;
  const found = attackList(model, test, {
    threat,
    attacks: buildAttacks(faithful ? faithfulSpecs(specs) : specs, threat),
    preset: name,
    seed,
    examples: images,
    checks: false,
    ...evaluationMode(model, { faithful }),
  });
  counts.forward += found.passes.forward;
  counts.backward += found.passes.backward;
  counts.standing += Math.round(found.robustAccuracy * found.examples);
  return found.robustAccuracy;
}

const takeTurn = turnTaker(counts);
takeTurn();
while (true) takeTurn(scope(evaluate));
