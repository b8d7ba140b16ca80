// A whole list of attacks as the product runs it. Options: folder or run (see evaluation-network.js), images, mode
// ("default": a folded victim in `precision`, broken images leave; "faithful": neither), preset, seed. The loss told to the
// harness is robust accuracy.

import { attackList, buildAttacks, fastVictim, preset } from "../../dist/evaluation/index.js";
import { scope } from "../../dist/torch/index.js";
import { evaluated } from "./evaluation-network.js";
import { options, turnTaker } from "./protocol.js";

const { mode, precision, images, preset: name, seed, ...network } = options();
const { model, test, threat } = await evaluated(network);
const counts = { forward: 0, backward: 0, standing: 0 };

function evaluate() {
  const found = attackList(model, test, {
    threat,
    attacks: buildAttacks(preset(name).lists[threat.norm], threat),
    preset: name,
    seed,
    examples: images,
    checks: false,
    ...(mode === "faithful" ? { leave: false } : { victim: fastVictim(model, { precision }) }),
  });
  counts.forward += found.passes.forward;
  counts.backward += found.passes.backward;
  counts.standing += Math.round(found.robustAccuracy * found.examples);
  return found.robustAccuracy;
}

const takeTurn = turnTaker(counts);
takeTurn();
while (true) takeTurn(scope(evaluate));
