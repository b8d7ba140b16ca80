// Which folder of reference numbers is used, and how what it holds is found.
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tensor } from "../../src/torch/index.js";
import { epsOf } from "../support/oracle-eps.js";
import { keepRatioFor, packBits } from "../support/oracle-masks.js";
import { findOracles, OracleFolder, oracleRoot } from "../support/oracles.js";

const committed = fileURLToPath(new URL("data", import.meta.url));
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-oracles-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const names = (found: ReturnType<typeof findOracles>) =>
  Object.fromEntries(Object.entries(found).map(([kind, list]) => [kind, list.map((each) => each.name)]));

describe("the folder", () => {
  test("is the one that is named", () => expect(oracleRoot(folder)).toBe(folder));

  test("fails when the one named is not there", () => {
    const missing = join(folder, "nowhere");
    expect(() => oracleRoot(missing)).toThrow(`S2AP_ORACLES: expected a folder of reference numbers, got '${missing}'`);
  });

  test("is shared/oracles beside the checkout, else the committed one", () => {
    mkdirSync(join(folder, "checkout"));
    expect(oracleRoot("", join(folder, "checkout"))).toBe(committed);
    mkdirSync(join(folder, "shared/oracles"), { recursive: true });
    expect(oracleRoot("", join(folder, "checkout/"))).toBe(join(folder, "shared/oracles"));
  });

  test("with nothing in it fails and says what was looked for", () => {
    expect(() => findOracles(folder)).toThrow(
      /expected reference numbers in '.*', found none. Looked for model: .*forward\.safetensors; s2ap: .*; units: /,
    );
  });
});

describe("what it holds", () => {
  test("is told by contents: names, depth and links do not matter", () => {
    cpSync(join(committed, "network"), join(folder, "b/c"), { recursive: true });
    cpSync(join(committed, "scores"), join(folder, "a"), { recursive: true });
    symlinkSync(join(committed, "formulas"), join(folder, "z"));
    cpSync(join(committed, "curvature"), join(folder, "y"), { recursive: true });
    expect(names(findOracles(folder))).toEqual({ model: ["b/c"], s2ap: ["a"], units: ["z"], hessian: ["y"] });
  });

  test("may be in the folder itself", () => {
    expect(names(findOracles(join(committed, "scores")))).toEqual({ model: [], s2ap: ["."], units: [], hessian: [] });
  });

  test("says its eps exactly", () => {
    expect(epsOf(new OracleFolder(join(committed, "network"), committed), "Linf")).toBe("0.15");
    expect(() => epsOf(new OracleFolder(join(committed, "scores"), committed), "L2")).toThrow("the eps of L2 as text");
  });
});

describe("masks of the reference", () => {
  test("are found at sparsities that 1 - (1 - sparsity) misses", () => {
    expect(1 - (1 - 0.2)).toBeLessThan(0.2);
    const keepRatio = keepRatioFor(0.2, { w: { numel: 10, zeroed: 2 } });
    expect(keepRatio).toBeCloseTo(0.8, 15);
    expect(() => keepRatioFor(0.2, { w: { numel: 10, zeroed: 3 } })).toThrow("w 9 of 10");
  });

  test("are packed most significant bit first and padded with zeros", () => {
    expect(packBits(tensor([1, 0, 0, 0, 0, 0, 0, 1, 1]))).toEqual([0b10000001, 0b10000000]);
  });
});
