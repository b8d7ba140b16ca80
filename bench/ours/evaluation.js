// A whole list of attacks by the command line, start to end. Options: folder or run (see evaluation-network.js), images,
// faithful, precision (of the search), preset, seed. The loss told to the harness is robust accuracy. Processor seconds are not
// measured: the work is done by processes of its own.

import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { evaluated } from "./evaluation-network.js";
import { options, turnTaker } from "./protocol.js";

const BIN = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
const { faithful, precision, images, preset, seed, ...network } = options();
const counts = { forward: 0, backward: 0, standing: 0 };
const asked = ["--preset", preset, "--examples", images, "--seed", seed, "--json"].map(String);
const how = faithful ? ["--faithful"] : precision ? ["--precision", precision] : [];
const argv = ["eval", ...(await evaluated(network)), ...asked, ...how];

function evaluate() {
  const { passes, robustAccuracy, examples } = JSON.parse(
    execFileSync(process.execPath, [BIN, ...argv], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
  counts.forward += passes.forward;
  counts.backward += passes.backward;
  counts.standing += Math.round(robustAccuracy * examples);
  return robustAccuracy;
}

const takeTurn = turnTaker(counts);
takeTurn();
while (true) takeTurn(evaluate());
