// Prints { refused, grown }: the error's text or null, and by how many bytes resident memory was higher at most while the file of the
// first argument was read than before. Its name says the format.
import { readFileSync } from "node:fs";
import { readPt } from "../../dist/nn/checkpoint/pt.js";
import { readSafetensors } from "../../dist/nn/checkpoint/safetensors.js";
import { DataError } from "../../dist/util/errors.js";

const path = process.argv[2];
// Not resourceUsage().maxRSS, which begins with that of the process that started this one.
const status = (field) =>
  1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
const before = status("VmRSS");
let refused = null;
let value;
try {
  value = path.endsWith(".safetensors") ? readSafetensors(path) : readPt(path);
} catch (error) {
  if (!(error instanceof DataError)) throw error;
  refused = error.message;
}
const grown = status("VmHWM") - before;
console.log(JSON.stringify({ refused, grown, kept: value !== undefined }));
