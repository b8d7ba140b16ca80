// Square of the reference folders, in float64 from the recorded uniforms: the best margin before each query, the number of
// queries, and where it ends. Whole in the ordinary tests too: it takes seconds.
import { expect, test } from "vitest";
import { l1, l2, linf, runSearch, type SquareDraws, type SquareState, squareSearch } from "../../src/attacks/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose, expectSame } from "../support/close.js";
import { epsOf } from "../support/oracle-eps.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { forEachOracle, get, type OracleFolder } from "../support/oracles.js";

const MARGIN = 1e-9;
const PIXEL = 1e-6;
const THREATS = { Linf: linf, L2: l2, L1: l1 } as const;
type Norm = keyof typeof THREATS;

/** The recorded stream in its order: windows are the same for all images, and signs too in Linf. */
function recorded(uniforms: readonly number[], norm: Norm): SquareDraws {
  let used = 0;
  const take = (count: number) => {
    used += count;
    expect(used, "uniforms that were recorded").toBeLessThanOrEqual(uniforms.length);
    return uniforms.slice(used - count, used);
  };
  return {
    start: ({ indices }, { tiles, coin, signs }) =>
      Array.from({ length: tiles }, () => ({ coins: take(coin ? 1 : 0), signs: take(indices.length * signs) })),
    query: (_context, _step, rows, { places, signs }) => ({
      places: take(places),
      signs: take(norm === "Linf" ? signs : rows.length * signs),
    }),
  };
}

function check(folder: OracleFolder, norm: Norm, wanted: ReadonlyMap<string, Tensor>): void {
  const at = (name: string) => get(wanted, `${norm}.${name}`);
  const { victim, x, y } = oracleNetwork(folder, "float64");
  const threat = THREATS[norm]({ eps: epsOf(folder, norm) });
  const rows = at("image_index");
  const images = { x: ops.indexSelect(x, 0, rows), y: ops.indexSelect(y, 0, rows) };
  const losses = at("loss_min_before_query");
  const queries = losses.shape[0] as number;
  const search = squareSearch(threat, { queries, draws: recorded(at("uniforms").toNumbers(), norm) });
  const context = { ...images, indices: Int32Array.from(rows.toNumbers()), victim, rng: rng(0) };

  const seen: number[][] = [];
  const { state } = runSearch(search, threat, context, {
    leave: false,
    onStep: ({ state: now }) => void seen.push((now as SquareState).margin.toNumbers()),
  });
  const name = (what: string) => `${folder.name}: Square ${norm} ${what}`;
  expectClose(name("best margin before each query"), seen.slice(0, queries).flat(), losses, MARGIN);
  expectSame(name("queries"), (state as SquareState).queries, at("n_queries"));
  expectClose(name("last margin"), (state as SquareState).margin, at("margin_final"), MARGIN);
  expectClose(name("end"), state.found, at("x_final"), PIXEL);
}

forEachOracle("model", (folder) => {
  if (!folder.has("det_square.safetensors")) {
    test.skip("Square: no det_square.safetensors");
    return;
  }
  const wanted = folder.tensors("det_square.safetensors");
  for (const norm of Object.keys(THREATS) as Norm[]) {
    if (wanted.has(`${norm}.uniforms`)) test(norm, () => scope(() => check(folder, norm, wanted)));
    else test.skip(`${norm}: not in det_square.safetensors`);
  }
});
