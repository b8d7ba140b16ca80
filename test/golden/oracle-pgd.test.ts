// FGSM and PGD of the reference folders, in float64 from given starts: the loss at every iterate, and where they end.
import { expect, test } from "vitest";
import { type Attack, type AttackObjective, crossEntropy, fgsm, l2, linf, pgd } from "../../src/attacks/index.js";
import { ops, scope, type Tensor } from "../../src/torch/index.js";
import { ratio, rng } from "../../src/util/index.js";
import { expectClose, expectSame } from "../support/close.js";
import { epsOf } from "../support/oracle-eps.js";
import { oracleNetwork } from "../support/oracle-network.js";
import { first, forEachOracle, get, most, type OracleFolder } from "../support/oracles.js";

const LOSS = 1e-8;
const PIXEL = 1e-6;
/** An image counts when changing all weights by 1e-12 relative moved its end point by less than this. */
const SENSITIVE = 1e-8;

interface Planned {
  readonly attack: Attack;
  readonly steps: number;
  /** Whether these are all steps of the reference, so that both end at the same point. */
  readonly all: boolean;
  readonly start?: Tensor;
}

/** noise_q / 127 in [-1,1] times eps, in L2 over its own norm. */
function startAt(folder: OracleFolder, x: Tensor, norm: "Linf" | "L2", eps: number): Tensor {
  return scope(() => {
    const noise = first(get(folder.tensors("det_init.safetensors"), "noise_q"), x.shape[0] as number);
    const t = ops.div(ops.to(noise, "float64"), 127);
    const length = norm === "Linf" ? 1 : ops.vectorNorm(t, { ord: 2, dim: [1, 2, 3], keepdim: true });
    return ops.clamp(ops.add(x, ops.div(ops.mul(t, { float: eps }), length)), { min: 0, max: 1 });
  });
}

/** The attack that a name such as `pgd10` or `pgdL2_20` stands for; undefined for one we do not have. */
function planOf(name: string, folder: OracleFolder, x: Tensor): Planned | undefined {
  if (name === "fgsm") return { attack: fgsm(linf({ eps: epsOf(folder, "Linf") })), steps: 0, all: true };
  const [, inL2, count] = /^pgd(L2_)?(\d+)$/.exec(name) ?? [];
  if (count === undefined) return undefined;
  const norm = inL2 ? "L2" : "Linf";
  const eps = epsOf(folder, norm);
  const { value } = ratio(eps);
  const steps = Math.min(Number(count), most.steps);
  const attack = pgd(inL2 ? l2({ eps }) : linf({ eps }), { steps, stepSize: String(value / (inL2 ? 5 : 4)) });
  return { attack, steps, all: steps === Number(count), start: startAt(folder, x, norm, value) };
}

/** The images to compare: those whose end point rounding does not move. */
function steady(folder: OracleFolder, name: string, images: number): number[] {
  const report = folder.has("det_fgsm_pgd.json") ? folder.json("det_fgsm_pgd.json") : {};
  const moved = (report as Record<string, number[] | undefined>)[`${name}_sens`] ?? [];
  const kept = Array.from({ length: images }, (_, i) => i).filter((i) => (moved[i] ?? 0) < SENSITIVE);
  expect(kept.length, `${name}: images that rounding does not move`).toBeGreaterThan(0);
  return kept;
}

/** The numbers of each row: of an iterate, or of an image. */
function rows(tensor: Tensor): number[][] {
  const numbers = tensor.toNumbers();
  const length = numbers.length / (tensor.shape[0] as number);
  return Array.from({ length: tensor.shape[0] as number }, (_, i) => numbers.slice(i * length, (i + 1) * length));
}

function check(folder: OracleFolder, name: string, wanted: ReadonlyMap<string, Tensor>): void {
  const images = Math.min(most.images, get(wanted, `${name}_x`).shape[0] as number);
  const { victim, x, y, logits } = oracleNetwork(folder, "float64", { images });
  const { attack, steps, all, start } = planOf(name, folder, x) as Planned;
  const kept = steady(folder, name, images);
  const only = <T>(perImage: readonly T[]) => kept.map((i) => perImage[i] as T);

  // A gradient is taken at every iterate but the last, so the objective sees their losses.
  const losses: number[][] = [];
  const objective: AttackObjective = (z, labels) => {
    const values = crossEntropy(z, labels);
    losses.push(ops.detach(values).toNumbers());
    return values;
  };
  const found = attack.perturb(victim, x, y, { rng: rng(0), objective, ...(start && { start }) });
  const end = logits(found);
  losses.push(crossEntropy(end, y).toNumbers());

  const loss = get(wanted, `${name}_loss`);
  const [ours, theirs] = start ? [losses, rows(loss).slice(0, steps + 1)] : [losses.slice(-1), [loss.toNumbers()]];
  expectClose(`${folder.name}: ${name} losses`, ours.flatMap(only), theirs.flatMap(only), LOSS);
  if (!all) return;
  const points = get(wanted, `${name}_x`);
  expectClose(`${folder.name}: ${name} end`, only(rows(found)).flat(), only(rows(points)).flat(), PIXEL);
  const classes = get(wanted, `${name}_pred`).toNumbers();
  expectSame(`${name}: predicted class`, only(ops.argmax(end, { dim: 1 }).toNumbers()), only(classes));
}

forEachOracle("model", (folder) => {
  if (!folder.has("det_fgsm_pgd.safetensors")) {
    test.skip("FGSM and PGD: no det_fgsm_pgd.safetensors");
    return;
  }
  const wanted = folder.tensors("det_fgsm_pgd.safetensors");
  const names = [...wanted.keys()].filter((key) => key.endsWith("_x")).map((key) => key.slice(0, -2));
  const { x } = oracleNetwork(folder, "float64", { images: 1 });
  for (const name of names) {
    if (planOf(name, folder, x)) test(name, () => check(folder, name, wanted));
    else test.skip(`${name}: an attack that s2ap does not have`);
  }
});
