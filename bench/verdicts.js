#!/usr/bin/env node
// node bench/verdicts.js [--seeds 0,1] [--only NAME] [--run RUN] [--out FOLDER]: whether what makes an evaluation fast changes a
// verdict. On each reference network, or on the first 256 images of CIFAR-10 by a run's network, the whole of aa-standard by
// default and faithfully, with each seed. An image whose verdict the seeds of a mode do not agree on is unstable, and listed; on all
// others the two modes must agree. Records in FOLDER/NAME/MODE/SEED are taken as they are.

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { evaluationArguments, folders, runArguments } from "./networks.js";

const BIN = fileURLToPath(new URL("../bin/s2ap.js", import.meta.url));
const { seeds, only, run, out } = parseArgs({
  options: {
    seeds: { type: "string", default: "0,1" },
    only: { type: "string", default: "" },
    run: { type: "string" },
    out: { type: "string" },
  },
}).values;
const records = out ?? mkdtempSync(join(tmpdir(), "s2ap-verdicts-"));

/** Whether each image is robust, by its position in the data set. */
function robust({ name, argv }, mode, seed) {
  const record = join(records, name, mode, seed);
  const images = join(record, "images.json");
  if (!existsSync(images)) {
    const asked = ["--preset", "aa-standard", "--seed", seed, "--out", record];
    const how = mode === "faithful" ? ["--faithful"] : [];
    execFileSync(process.execPath, [BIN, "eval", ...argv, ...asked, ...how], { stdio: "ignore" });
  }
  return new Map(JSON.parse(readFileSync(images, "utf8")).map(({ index, brokenBy }) => [index, brokenBy === null]));
}

const networks = run
  ? [{ name: "run", argv: [...runArguments(run), "--examples", "256"] }]
  : folders().map(({ name, path }) => ({ name, argv: evaluationArguments(path) }));

let failed = false;
for (const network of networks.filter(({ name }) => name.includes(only))) {
  const [ours, theirs] = ["default", "faithful"].map((mode) =>
    seeds.split(",").map((seed) => robust(network, mode, seed)),
  );
  const indices = [...ours[0].keys()];
  const agree = (verdicts, at) => verdicts.every((each) => each.get(at) === verdicts[0].get(at));
  const unstable = indices.filter((at) => !(agree(ours, at) && agree(theirs, at)));
  const differing = indices.filter((at) => !unstable.includes(at) && ours[0].get(at) !== theirs[0].get(at));
  const standing = indices.filter((at) => ours[0].get(at)).length;
  console.log(`${network.name}: ${indices.length} images, of which ${standing} stand; seeds ${seeds}`);
  console.log(
    `  unstable: ${unstable.join(", ") || "none"}; another verdict on a stable image: ${differing.join(", ") || "none"}`,
  );
  failed ||= differing.length > 0;
}
if (out === undefined) rmSync(records, { recursive: true });
if (failed) process.exitCode = 1;
