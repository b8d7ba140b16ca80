// Loses tensors outside of any scope, 16 MB each, and gives the event loop its turns; with --expose-gc the collector is
// called, without it V8 must call it by itself, from the bytes that the addon reports. Prints { live, peak } in tensors.
import { setImmediate } from "node:timers/promises";
import { liveTensors, ops } from "../../dist/torch/index.js";

const count = Number(process.argv[2]);
let peak = 0;
for (let i = 0; i < count; i++) {
  ops.zeros([4 << 20]);
  await setImmediate();
  peak = Math.max(peak, liveTensors());
}
for (let i = 0; i < 20 && globalThis.gc && liveTensors() > 0; i++) {
  globalThis.gc();
  await setImmediate();
}
console.log(JSON.stringify({ live: liveTensors(), peak }));
