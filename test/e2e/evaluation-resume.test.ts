// A list of attacks in one process, in shards, stopped and resumed, in other batches: the same record.
import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { linf, pgd, type Threat } from "../../src/attacks/index.js";
import { type Split, split } from "../../src/data/index.js";
import {
  type AttackListOptions,
  attackList,
  buildAttacks,
  mergeRecord,
  presets,
  type Robustness,
} from "../../src/evaluation/index.js";
import { type Model, withState } from "../../src/models/index.js";
import { cloneParams } from "../../src/nn/index.js";
import { liveTensors, ops, scope, type Tensor } from "../../src/torch/index.js";
import { manyImages } from "../support/many-images.js";
import { copyOf, freeModel, trainedTiny } from "../support/tiny.js";

const threat: Threat = linf({ eps: "8/255" });
const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), "s2ap-record-"));
  folders.push(folder);
  return join(folder, "record");
};

let model: Model;
let data: Split;

beforeAll(async () => {
  model = await trainedTiny();
  data = manyImages();
});
afterAll(() => {
  freeModel(model);
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const attacks = () =>
  buildAttacks(
    [
      { name: "pgd", options: { steps: 3 } },
      { name: "apgd-ce", options: { steps: 12, restarts: 2 } },
      { name: "apgd-t", options: { steps: 8, targets: 3 } },
      { name: "square", options: { queries: 20 } },
    ],
    threat,
  );
const evaluate = (options: Partial<AttackListOptions> = {}, network = model, on = data): Robustness =>
  attackList(network, on, { threat, attacks: attacks(), seed: 3, checks: false, ...options });
/** What must not change: all but the time. */
const claim = ({ seconds: _, attacks: list, ...rest }: Robustness) => ({
  ...rest,
  attacks: list.map(({ seconds: __, ...each }) => each),
});

class Interrupted extends Error {}
/** Stops at the n-th question. */
const stopAt = (n: number) => {
  let asked = 0;
  return () => {
    if (++asked === n) throw new Interrupted();
  };
};

test("a list of attacks: accuracy falls, the record says why, and nothing is left in memory", () => {
  const before = liveTensors();
  const bounds: number[] = [];
  const found = scope(() => evaluate({ onProgress: ({ bound }) => void bounds.push(bound) }));
  expect(liveTensors()).toBe(before);
  expect(found.examples).toBe(300);
  expect(found).toMatchObject({ search: "exact", leave: true });
  const runsOf = (name: string) =>
    new Set(found.images.flatMap(({ brokenBy, run }) => (brokenBy === name ? [run] : [])));
  expect([...runsOf("apgd-ce")].every((run) => ["restart 1", "restart 2"].includes(run))).toBe(true);
  expect([...runsOf("apgd-t")].every((run) => ["rank 2", "rank 3", "rank 4"].includes(run))).toBe(true);
  expect(runsOf("apgd-t").size).toBeGreaterThan(0);
  expect(found.attacks.map(({ options }) => options)).toMatchObject([
    ...[{ steps: 3 }, { steps: 12, restarts: 2 }, { steps: 8, targets: 3 }, { queries: 20 }],
  ]);
  expect(found.cleanAccuracy).toBeGreaterThan(0.5);
  expect(found.robustAccuracy).toBeLessThan(found.cleanAccuracy);
  const after = Object.values(found.after);
  expect(Object.keys(found.after)).toEqual(["clean", "pgd", "apgd-ce", "apgd-t", "square"]);
  for (const series of [bounds, after]) expect([...series].sort((a, b) => b - a)).toEqual(series);
  expect(bounds.at(-1)).toBe(found.robustAccuracy);
  const standing = found.images.filter(({ brokenBy }) => brokenBy === null).length;
  expect(standing / 300).toBe(found.robustAccuracy);
  for (const { brokenBy, norm, adversarial, label } of found.images) {
    if (brokenBy === null) expect(adversarial).toBe(null);
    else expect(adversarial).not.toBe(label);
    if (norm !== null) expect(norm).toBeLessThanOrEqual(threat.eps * (1 + 1e-6) + 1e-7);
  }
});

describe("a record", () => {
  let whole: Robustness;
  let folder: string;
  /** How often a whole evaluation asks whether to stop. */
  let questions = 0;
  beforeAll(() => {
    folder = newFolder();
    whole = evaluate({ record: { folder }, shouldStop: () => void questions++ });
  });

  test("is what the same evaluation without one gives, and what its files say", () => {
    expect(claim(whole)).toEqual(claim(evaluate()));
    expect(JSON.parse(readFileSync(join(folder, "images.json"), "utf8"))).toEqual(whole.images);
    expect(claim(JSON.parse(readFileSync(join(folder, "result.json"), "utf8")))).toEqual(claim(whole));
  });

  test("opened again when done has nothing to do, and the same result", () => {
    const stop = () => {
      throw new Interrupted();
    };
    expect(claim(evaluate({ record: { folder }, shouldStop: stop }))).toEqual(claim(whole));
  });

  test("of two shards is the record of one process, to the bit", () => {
    const shared = newFolder();
    const first = evaluate({ record: { folder: shared }, shard: { index: 0, of: 2 } });
    expect(first.examples).toBe(128 + 44);
    expect(() => mergeRecord(shared)).toThrow("units of work undone");
    evaluate({ record: { folder: shared }, shard: { index: 1, of: 2 } });
    expect(claim(mergeRecord(shared))).toEqual(claim(whole));
    const points = (from: string) => readFileSync(join(from, "adversarial.safetensors"));
    expect(points(shared).equals(points(folder))).toBe(true);
    const clean = (from: string) => readFileSync(join(from, "clean.safetensors"));
    expect(clean(shared).equals(clean(folder))).toBe(true);
  });

  test.each([2, 9, 17, 40, 55, 71, 100])("stopped at question %i inside a search goes on to the same bits", (n) => {
    const resumed = newFolder();
    const stop = () => evaluate({ record: { folder: resumed }, shouldStop: stopAt(n) });
    expect(stop).toThrow(Interrupted);
    let asked = 0;
    const again = evaluate({ record: { folder: resumed }, shouldStop: () => void asked++ });
    expect(claim({ ...again, passes: whole.passes, attacks: [] })).toEqual(claim({ ...whole, attacks: [] }));
    const points = (from: string) => readFileSync(join(from, "adversarial.safetensors"));
    expect(points(resumed).equals(points(folder))).toBe(true);
    // What was spent before the stop is counted; only the clean logits of a block may be made once more.
    expect(again.passes.backward).toBe(whole.passes.backward);
    expect(again.passes.forward).toBeGreaterThanOrEqual(whole.passes.forward);
    expect(again.passes.forward).toBeLessThanOrEqual(whole.passes.forward + 3);
    // Steps before the stop are not done again; PGD, which no one sees into, may repeat its three.
    expect(asked).toBeGreaterThanOrEqual(questions - n);
    expect(asked).toBeLessThanOrEqual(questions - n + 4);
  });

  test("counts the clean logits of a block once, also where it is gone on with", () => {
    const stopped = newFolder();
    const targeted = buildAttacks([{ name: "apgd-t", options: { steps: 2, targets: 2 } }], threat);
    const once = evaluate({ attacks: targeted });
    const stop = () => evaluate({ attacks: targeted, record: { folder: stopped }, shouldStop: stopAt(5) });
    expect(stop).toThrow(Interrupted);
    const again = evaluate({ attacks: targeted, record: { folder: stopped } });
    expect(again.passes).toEqual(once.passes);
  });

  test.each([14, 33, 58, 90])("of a process that was killed at question %i goes on from its last snapshot", (n) => {
    const [living, dead] = [newFolder(), newFolder()];
    let asked = 0;
    const kill = () => {
      if (++asked === n) cpSync(living, dead, { recursive: true });
    };
    evaluate({ record: { folder: living, snapshotSeconds: 0 }, shouldStop: kill });
    rmSync(join(dead, "shard-0/lock"));
    let again = 0;
    const found = evaluate({ record: { folder: dead }, shouldStop: () => void again++ });
    expect(claim({ ...found, passes: whole.passes, attacks: [] })).toEqual(claim({ ...whole, attacks: [] }));
    const points = (from: string) => readFileSync(join(from, "adversarial.safetensors"));
    expect(points(dead).equals(points(folder))).toBe(true);
    expect(again).toBeLessThanOrEqual(questions - n + 4);
  });

  test("of a version that named its runs otherwise goes on with those names", () => {
    const old = newFolder();
    expect(() => evaluate({ record: { folder: old }, shouldStop: stopAt(40) })).toThrow(Interrupted);
    for (const name of ["record.json", "shard-0/units.jsonl"]) rmSync(join(old, name));
    const description = readFileSync(join(folder, "record.json"), "utf8");
    writeFileSync(join(old, "record.json"), description.replace('"rank 3"', '"target 3 0"'));
    const again = evaluate({ record: { folder: old } });
    const named = whole.images.map((image) => (image.run === "rank 3" ? { ...image, run: "target 3 0" } : image));
    expect(again.images).toEqual(named);
  });

  test("with a damaged snapshot begins that search anew, and says so", () => {
    const damaged = newFolder();
    expect(() => evaluate({ record: { folder: damaged }, shouldStop: stopAt(40) })).toThrow(Interrupted);
    const path = join(damaged, "shard-0/snapshot.safetensors");
    const bytes = readFileSync(path);
    bytes[bytes.length - 3] = (bytes[bytes.length - 3] as number) ^ 1;
    writeFileSync(path, bytes);
    const warnings: string[] = [];
    const found = evaluate({ record: { folder: damaged }, onWarning: (message) => void warnings.push(message) });
    expect(warnings.join()).toContain("the search begins anew");
    expect(claim({ ...found, passes: whole.passes, attacks: [] })).toEqual(claim({ ...whole, attacks: [] }));
  });

  test("is written by one process at a time", () => {
    const held = newFolder();
    const second = () => evaluate({ record: { folder: held } });
    let refused: unknown;
    evaluate({
      record: { folder: held },
      shouldStop: () => {
        if (refused !== undefined) return;
        try {
          second();
        } catch (error) {
          refused = error;
        }
      },
    });
    expect(String(refused)).toContain("expected a run folder nobody writes");
  });

  test("that lost the end of its journal or of its points is cut back, and ends the same", () => {
    const torn = newFolder();
    expect(() => evaluate({ record: { folder: torn }, shouldStop: stopAt(60) })).toThrow(Interrupted);
    appendFileSync(join(torn, "shard-0/units.jsonl"), '0123456789abcdef {"kind":"un');
    const points = join(torn, "shard-0/points.bin");
    truncateSync(points, readFileSync(points).length - 5);
    const warnings: string[] = [];
    const found = evaluate({ record: { folder: torn }, onWarning: (message) => void warnings.push(message) });
    expect(warnings.join("\n")).toMatch(/was cut off[\s\S]*points that end early/);
    expect(claim({ ...found, passes: whole.passes, attacks: [] })).toEqual(claim({ ...whole, attacks: [] }));
  });

  test("with a spoilt line in the middle is refused by file and line", () => {
    const spoilt = newFolder();
    evaluate({ record: { folder: spoilt } });
    const path = join(spoilt, "shard-0/units.jsonl");
    const lines = readFileSync(path, "utf8").split("\n");
    lines[1] = (lines[1] as string).replace('"predictions":[', '"predictions":[3,');
    writeFileSync(path, lines.join("\n"));
    expect(() => evaluate({ record: { folder: spoilt } })).toThrow(/units\.jsonl:2: expected a line/);
  });

  test("of another network, radius or list is refused, and says what differs", () => {
    const other = withState(model, { params: cloneParams(model.params) });
    const [name] = other.prunable;
    ops.mul_(other.params.get(name as string) as Tensor, 1.01);
    expect(() => evaluate({ record: { folder } }, other)).toThrow(/changed one\n {2}model\.weights/);
    const wider = linf({ eps: "0.04" });
    expect(() => evaluate({ record: { folder }, threat: wider })).toThrow('eps: the record has "8/255", now "0.04"');
    expect(() => evaluate({ record: { folder }, attacks: attacks().slice(1) })).toThrow("attacks[0].name");
    expect(() => evaluate({ record: { folder }, seed: 4 })).toThrow("seed: the record has 3, now 4");
  });
});

test("individually, each attack sees every image; the worst case over them is the record", () => {
  const together = evaluate({ individual: true });
  const broken = new Set<number>();
  for (const attack of attacks()) {
    const alone = evaluate({ attacks: [attack] });
    const outcome = together.attacks.find((each) => each.attack === attack.name);
    expect(outcome?.alone).toBe(alone.robustAccuracy);
    for (const { index, brokenBy } of alone.images) if (brokenBy !== null) broken.add(index);
  }
  expect(together.images.filter(({ brokenBy }) => brokenBy !== null).map(({ index }) => index)).toEqual(
    [...broken].sort((a, b) => a - b),
  );
});

test("a question ends it early, with the bound that decided it", () => {
  const all = evaluate();
  const early = evaluate({ until: `robust < ${(all.after.pgd as number) + 0.001}` });
  expect(early.verdict).toMatchObject({ answer: true, early: true });
  expect(early.attacks.map(({ skipped }) => skipped === true)).toEqual([false, true, true, true]);
  expect(early.verdict?.bound).toBe(early.robustAccuracy);
  expect(early.after.square).toBe(early.after.pgd);
  expect(early.passes.forward).toBeLessThan(all.passes.forward);
  const never = evaluate({ until: "robust > 1 %" });
  expect(never.verdict).toEqual({ question: "robust > 1 %", answer: true, bound: all.robustAccuracy });
  expect(() => evaluate({ until: "robust <= 3" })).toThrow("until: expected a question");
});

test("images may be chosen by position; their record names them", () => {
  const found = evaluate({ indices: [5, 7, 150] });
  expect(found.images.map(({ index }) => index)).toEqual([5, 7, 150]);
  const all = evaluate({ leave: false });
  const few = evaluate({ indices: [5, 7, 150], leave: false, attacks: [{ name: "pgd", attack: pgd(threat) }] });
  expect(few.images.map(({ clean }) => clean)).toEqual([5, 7, 150].map((at) => all.images[at]?.clean));
});

test("bad data and weights are errors, never numbers", () => {
  const { dataset } = data;
  const labels = ops.add(dataset.labels, 4);
  const odd = { ...dataset, labels };
  expect(() => evaluate({}, model, split(odd, data.indices))).toThrow("labels in [0, 3]");
  const bytes: Split = {
    ...data,
    ordered: (start, count) => {
      const batch = data.ordered(start, count);
      return { ...batch, x: ops.mul(batch.x, 255) };
    },
  };
  expect(() => evaluate({}, model, bytes)).toThrow(/pixels in \[0, 1\].*divide images in 0..255 by 255/);
  const broken = copyOf(model);
  ops.fill_(broken.params.get(broken.prunable[0] as string) as Tensor, Number.NaN);
  expect(() => evaluate({}, broken)).toThrow('expected finite numbers, got "NaN or infinity"');
  freeModel(broken);
});

test("a folder that takes no writing is a DataError", () => {
  expect(() => evaluate({ record: { folder: "/proc/s2ap" } })).toThrow(/cannot make the folder/);
});

test("every preset's attacks exist and take their options", () => {
  const { attack, eps } = presets["ap-benchmark"].minimumNorm;
  expect(() => buildAttacks([attack], linf({ eps }))).not.toThrow();
  for (const { lists } of Object.values(presets)) {
    for (const [norm, list] of Object.entries(lists)) {
      expect(() => buildAttacks(list, { norm: norm as "linf", eps: 1, epsText: "1" })).not.toThrow();
    }
  }
});
