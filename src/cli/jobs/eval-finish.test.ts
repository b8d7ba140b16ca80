import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { splitOf } from "../../../test/support/oracle-split.js";
import { robustnessOf } from "../../../test/support/robustness.js";
import type { Robustness } from "../../evaluation/index.js";
import { describedModel } from "../../models/index.js";
import { tensor } from "../../torch/index.js";
import { finishList } from "./eval-finish.js";
import type { Opened } from "./eval-source.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-finish-"));
afterAll(() => rmSync(folder, { recursive: true }));

const ops = [{ op: "flatten" }, { op: "linear", name: "fc", in: 2, out: 2, bias: false }];
const model = describedModel(
  { name: "line", input: [1, 1, 2], classes: 2, ops },
  new Map([["fc.weight", tensor(Float32Array.of(1, 0, 0, 1), [2, 2])]]),
);
const split = splitOf("made", tensor(Uint8Array.of(0, 9), [1, 1, 1, 2]), tensor(BigInt64Array.of(1n)), 2);

/** Finishes a list in a folder of this name, and says what files there are. */
async function finish(name: string, changes: Partial<Robustness>) {
  const out = mkdtempSync(join(folder, name));
  const origin = { name: "m.safetensors", sha256: "ee", versions: {} };
  const opened: Opened = {
    ...{ model, split, origin, threat: undefined },
    ...{ source: { file: "m.safetensors", recipe: undefined }, options: { attacks: [], out } },
  };
  const found = robustnessOf([{ index: 0, label: 1, clean: 1, brokenBy: null }], changes);
  const answer = await finishList(opened, found, undefined);
  return { out, answer, files: readdirSync(out).sort() };
}

test("a claim is written in the benchmark's norm only", async () => {
  const { answer, out } = await finish("claim", { preset: "ap-benchmark", eps: "0.031" });
  expect(answer.claim).toContain("Robust Accuracy (AA)");
  expect(existsSync(join(out, "claim.md"))).toBe(true);
  const other = await finish("other", { preset: "ap-benchmark", norm: "l2", eps: "0.031" });
  expect([other.answer.claim, other.files]).toEqual([undefined, ["card.json", "card.md"]]);
});

test("a whole AutoAttack has an entry for RobustBench, with gaps that only the authors can fill", async () => {
  const { answer, out, files } = await finish("entry", { preset: "aa-standard" });
  expect([answer.files?.robustbench, files]).toEqual([
    "robustbench.json",
    ["card.json", "card.md", "robustbench.json"],
  ]);
  const entry = JSON.parse(readFileSync(join(out, "robustbench.json"), "utf8"));
  expect(entry).toMatchObject({ architecture: "line", eps: "8/255", clean_acc: "100.00", autoattack_acc: "100.00" });
  const gaps = { name: "<title>", authors: "<authors>", venue: "<venue>", link: "<link>", reported: "<percent>" };
  expect(entry).toMatchObject({ ...gaps, additional_data: null });
  const verdict = { question: "robust < 0.40", answer: true, bound: 0.39, early: true } as const;
  expect((await finish("early", { preset: "aa-standard", verdict })).files).toEqual(["card.json", "card.md"]);
  expect((await finish("apgd", { preset: "apgd" })).files).toEqual(["card.json", "card.md"]);
});
