// FAB and FAB-T of the reference folders, in float64 and without random starts: the distances after all 100 steps, and the
// points of the first target. Steps cannot be left out here, so that npm test keeps the rule of images and leaves out
// targets instead: it runs the first and the last rank only. The untargeted attack is whole.
// In batches of any size it goes the same way.
import { describe, expect, test } from "vitest";
import { type FabSearchOptions, fabSearch, l1, l2, linf, runSearch, type Threat } from "../../src/attacks/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";
import { expectClose, expectEachClose } from "../support/close.js";
import { type OracleNetwork, oracleNetwork, rankOf } from "../support/oracle-network.js";
import { first, forEachOracle, get, most, type OracleFolder, whole } from "../support/oracles.js";

const FILE = "det_fab.safetensors";
const RELATIVE = 1e-6;
const PIXEL = 1e-6;
/** What the order of a convolution's sums in float64 may change. */
const ROUNDING = 1e-9;
// The radius has no part in a distance.
const threats: Readonly<Record<string, Threat>> = { Linf: linf({ eps: 1 }), L2: l2({ eps: 1 }), L1: l1({ eps: 1 }) };

interface Found {
  /** The images that are classified correctly as they are; FAB runs on no other. */
  readonly correct: readonly number[];
  readonly distances: readonly number[];
  readonly points: Tensor;
}

/** Nearest points of the images that are classified correctly, towards the class of a rank or to any. */
function search({ victim, x, y, logits }: OracleNetwork, threat: Threat, rank?: number): Found {
  const before = logits(x);
  const labels = y.toNumbers();
  const predicted = rankOf(before, 1).toNumbers();
  const correct = labels.flatMap((label, i) => (predicted[i] === label ? [i] : []));
  const rows = (t: Tensor) => ops.stack(correct.map((i) => ops.select(t, 0, i)));
  const context = { x: rows(x), y: rows(y), indices: Int32Array.from(correct), victim, rng: rng(0) };
  const target = rank === undefined ? undefined : rows(rankOf(before, rank));
  const attack = fabSearch(threat, { targeted: rank !== undefined });
  const { state } = runSearch(attack, threat, { ...context, target }, { leave: false });
  return { correct, distances: get(new Map(Object.entries(state)), "distance").toNumbers(), points: state.found };
}

/** All images' distances: 0 for clean mistakes, as in the file. */
function distances({ correct, distances: found }: Found, images: number): number[] {
  const all = new Array<number>(images).fill(0);
  for (const [k, i] of correct.entries()) all[i] = found[k] as number;
  return all;
}

/** Rows of all images' distances [N] and points [N,C,H,W] after a few steps, when so many go at a time. */
function inBatches(
  network: OracleNetwork,
  threat: Threat,
  options: FabSearchOptions & { readonly targeted: boolean },
  size: number,
): Record<"distance" | "found", number[]> {
  const { victim, x, y, logits } = network;
  const target = rankOf(logits(x), 2);
  const images = x.shape[0] as number;
  const all = { distance: [] as number[], found: [] as number[] };
  for (let from = 0; from < images; from += size) {
    const rows = (t: Tensor) => ops.slice(t, { start: from, end: Math.min(images, from + size) });
    const indices = Int32Array.from({ length: Math.min(size, images - from) }, (_, i) => from + i);
    const context = { x: rows(x), y: rows(y), target: rows(target), indices, victim, rng: rng(0) };
    const attack = fabSearch(threat, options);
    const { state } = runSearch(attack, threat, context, { leave: false });
    // Where nothing was found, a number that can be compared.
    const distances = get(new Map(Object.entries(state)), "distance").toNumbers();
    all.distance.push(...distances.map((value) => (Number.isFinite(value) ? value : -1)));
    all.found.push(...state.found.toNumbers());
  }
  return all;
}

function expectDistances(what: string, found: Found, wanted: readonly number[]): void {
  expect(found.correct.length, `${what}: images that are classified correctly`).toBeGreaterThan(0);
  // Only equal numbers satisfy where the wanted one is 0 or infinite.
  const tolerances = wanted.map((value) => (Number.isFinite(value) ? RELATIVE * value : 0) || Number.MIN_VALUE);
  expectEachClose(what, distances(found, wanted.length), wanted, tolerances);
}

forEachOracle("model", (folder: OracleFolder) => {
  describe.each(Object.entries(threats))("in batches of 1, 7 and 128 in %s", (_, threat) => {
    test.each([
      ["FAB-T", { targeted: true, steps: 15 }],
      ["FAB", { targeted: false, steps: 15 }],
      // On the way of one image it meets a point whose two highest logits are equal but for rounding.
      ["FAB from a random point", { targeted: false, steps: 26, randomStart: true }],
    ] as const)("%s gives the same in float64", (kind, options) => {
      scope(() => {
        const network = oracleNetwork(folder, "float64", { images: options.targeted ? 16 : 8 });
        const [one, seven, all] = [1, 7, 128].map((size) => inBatches(network, threat, options, size));
        if (one === undefined || seven === undefined || all === undefined) throw new Error("three batches");
        expect(all.distance.filter((value) => value > 0).length, "images with a point").toBeGreaterThan(
          all.distance.length / 2,
        );
        for (const each of [one, seven]) {
          const tolerances = all.distance.map((value) => ROUNDING * Math.max(1e-3, Math.abs(value)));
          expectEachClose(`${folder.name}: ${kind} ${threat.norm} distances`, each.distance, all.distance, tolerances);
          expectClose(`${folder.name}: ${kind} ${threat.norm} points`, each.found, all.found, ROUNDING);
        }
      });
    });
  });

  if (!folder.has(FILE)) return test.skip(`FAB: no ${FILE}`);
  const wanted = folder.tensors(FILE);
  for (const norm of Object.keys(threats).filter((name) => wanted.has(`${name}.distance`))) {
    const threat = threats[norm] as Threat;
    const [ranks, images] = get(wanted, `${norm}.distance`).shape as [number, number];
    const network = oracleNetwork(folder, "float64", { images: Math.min(images, most.images) });
    const rowsRun = Array.from({ length: ranks }, (_, row) => row).filter((r) => whole || r === 0 || r === ranks - 1);

    test.each(rowsRun)(`FAB-T in ${norm}, row %i`, (row) => {
      scope(() => {
        const found = search(network, threat, row + 2);
        const count = network.x.shape[0] as number;
        const theirs = ops.select(get(wanted, `${norm}.distance`), 0, row);
        expectDistances(`${folder.name}: ${norm}.distance ${row}`, found, first(theirs, count).toNumbers());
        if (row > 0) return;
        const points = ops.stack(found.correct.map((i) => ops.select(get(wanted, `${norm}.adv_target2`), 0, i)));
        expectClose(`${folder.name}: ${norm}.adv_target2`, found.points.toNumbers(), points.toNumbers(), PIXEL);
      });
    });

    test.runIf(wanted.has(`${norm}.untargeted_distance`))(`FAB in ${norm}`, () => {
      scope(() => {
        const theirs = get(wanted, `${norm}.untargeted_distance`);
        const found = search(oracleNetwork(folder, "float64", { images: theirs.shape[0] as number }), threat);
        expectDistances(`${folder.name}: ${norm}.untargeted_distance`, found, theirs.toNumbers());
      });
    });
  }
});
