#!/usr/bin/env node
// node bench/verdicts.js [--seeds 0,1] [--only NAME]: whether what makes an evaluation fast changes a verdict. On each reference
// network the whole of aa-standard by default and faithfully, with each seed. An image whose verdict the seeds of a mode do
// not agree on is unstable, and listed; on all others the two modes must agree.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { evaluationArguments, folders } from "./networks.js";

const BIN = fileURLToPath(new URL("../bin/s2ap.js", import.meta.url));
const { seeds: given, only } = parseArgs({
  options: { seeds: { type: "string", default: "0,1" }, only: { type: "string", default: "" } },
}).values;
const seeds = given.split(",");
const out = mkdtempSync(join(tmpdir(), "s2ap-verdicts-"));

/** Whether each image is robust, by position. */
function robust(folder, mode, seed) {
  const record = join(out, mode, seed);
  const argv = ["eval", ...evaluationArguments(folder), "--preset", "aa-standard", "--seed", seed, "--out", record];
  execFileSync(process.execPath, [BIN, ...argv, ...(mode === "faithful" ? ["--faithful"] : [])], { stdio: "ignore" });
  return JSON.parse(readFileSync(join(record, "images.json"), "utf8")).map(({ brokenBy }) => brokenBy === null);
}

let failed = false;
for (const { name, path } of folders().filter((folder) => folder.name.includes(only))) {
  const [ours, theirs] = ["default", "faithful"].map((mode) => seeds.map((seed) => robust(path, mode, seed)));
  const positions = [...ours[0].keys()];
  const agree = (verdicts, at) => verdicts.every((each) => each[at] === verdicts[0][at]);
  const unstable = positions.filter((at) => !(agree(ours, at) && agree(theirs, at)));
  const differing = positions.filter((at) => !unstable.includes(at) && ours[0][at] !== theirs[0][at]);
  console.log(`${name}: ${positions.length} images, seeds ${seeds.join(" and ")}`);
  console.log(
    `  unstable: ${unstable.join(", ") || "none"}; another verdict on a stable image: ${differing.join(", ") || "none"}`,
  );
  failed ||= differing.length > 0;
  rmSync(join(out, "default"), { recursive: true });
  rmSync(join(out, "faithful"), { recursive: true });
}
rmSync(out, { recursive: true });
if (failed) process.exitCode = 1;
