// FMN of the reference folders, in float64: distances, the points they belong to and their classes. Thinned like all attacks:
// the first 16 images, and the runs of 200 steps only in the whole test, since a shorter run has another schedule.
import { expect, test } from "vitest";
import { type FmnState, fmnSearch, l2, linf, runSearch } from "../../src/attacks/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose, expectSame } from "../support/close.js";
import { epsOf } from "../support/oracle-eps.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { first, forEachOracle, get, most, type OracleFolder, whole } from "../support/oracles.js";

const DISTANCE = 1e-9;
const PIXEL = 1e-6;
const BATCHED = 16;
const LOSSES = { LL: "ll", DLR: "dlr", CE: "ce" } as const;

function check(folder: OracleFolder, name: string, wanted: ReadonlyMap<string, Tensor>): void {
  const at = (what: string) => first(get(wanted, `${name}.${what}`), most.images);
  const [, loss, steps] = name.split("_") as [string, keyof typeof LOSSES, string];
  const distances = at("distance");
  const images = distances.shape[0] as number;
  const { victim, x, y, logits } = oracleNetwork(folder, "float64", { images });
  const threat = linf({ eps: epsOf(folder, "Linf") });
  const context = { x, y, victim, rng: rng(0), indices: Int32Array.from({ length: images }, (_, i) => i) };
  const search = fmnSearch(threat, { steps: Number(steps), loss: LOSSES[loss] });
  const { state } = runSearch(search, threat, context, { leave: false });
  const { distance, found } = state as FmnState;
  expectClose(`${folder.name}: FMN ${name} distances`, distance, distances, DISTANCE);
  expectSame(`${name}: predicted class`, ops.argmax(logits(found), { dim: 1 }), at("pred"));
  if (wanted.has(`${name}.x`)) expectClose(`${folder.name}: FMN ${name} points`, found, at("x"), PIXEL);
}

/** Rows of the nearest points [N,C,H,W] after a few steps in L2, when so many images go at a time. */
function inBatches(folder: OracleFolder, loss: "ll" | "dlr", size: number): number[] {
  const { victim, x, y } = oracleNetwork(folder, "float64", { images: BATCHED });
  const search = fmnSearch(l2({ eps: 1 }), { steps: 20, loss });
  return Array.from({ length: Math.ceil(BATCHED / size) }, (_, part) => {
    const [start, end] = [part * size, Math.min((part + 1) * size, BATCHED)];
    const rows = (t: Tensor) => ops.slice(t, { start, end });
    const indices = Int32Array.from({ length: end - start }, (_, i) => start + i);
    const context = { x: rows(x), y: rows(y), victim, rng: rng(0), indices };
    return runSearch(search, l2({ eps: 1 }), context, { leave: false }).state.found.toNumbers();
  }).flat();
}

forEachOracle("model", (folder) => {
  test.each(["ll", "dlr"] as const)("in batches of 1, 7 and 128 in L2, with %s, the same in float64", (loss) => {
    scope(() => {
      const [one, seven, all] = [1, 7, 128].map((size) => inBatches(folder, loss, size)) as [
        number[],
        number[],
        number[],
      ];
      // Where the label is third, the gradient of DLR is what rounding leaves of 1 - 1, and the ways part a little.
      const tolerance = loss === "ll" ? 1e-9 : 1e-3;
      for (const each of [one, seven]) expectClose(`${folder.name}: FMN ${loss} points`, each, all, tolerance);
    });
  });

  if (!folder.has("det_fmn.safetensors")) {
    test.skip("FMN: no det_fmn.safetensors");
    return;
  }
  const wanted = folder.tensors("det_fmn.safetensors");
  const names = [...wanted.keys()]
    .filter((key) => key.endsWith(".distance"))
    .map((key) => key.replace(/\.distance$/, ""));
  test("has runs", () => expect(names.length).toBeGreaterThan(0));
  for (const name of names) {
    if (!/^Linf_(LL|DLR|CE)_\d+$/.test(name)) test.skip(`${name}: a run that s2ap does not know`);
    else if (!whole && !name.endsWith("_30")) test.skip(`${name}: in the whole test`);
    else test(name, () => scope(() => check(folder, name, wanted)));
  }
});
