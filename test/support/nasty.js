// Treats the engine badly, one way a run: node nasty.js WAY. Ends with code 0 and the last line `alive` unless it dies.
import { isMainThread, Worker, workerData } from "node:worker_threads";
import {
  grad,
  liveTensors,
  manualSeed,
  noGrad,
  ops,
  scope,
  setThreads,
  Tensor,
  tensor,
} from "../../dist/torch/index.js";
import { native } from "../../dist/torch/native.js";
import { rng, S2apError } from "../../dist/util/index.js";

/** Runs something that must fail with one of our errors. */
function refused(run) {
  try {
    run();
  } catch (error) {
    if (error instanceof S2apError) return;
    throw error;
  }
  throw new Error(`expected an error of ours from ${run}`);
}

/** A thread of its own that runs one of the ways below. */
function thread(way, data) {
  return new Worker(new URL(import.meta.url), { argv: [way], workerData: data });
}

function ended(worker) {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", resolve);
  });
}

const huge = [2 ** 31, 2 ** 40, 2 ** 53 - 1];
const ways = {
  "no arguments": () => {
    for (const operator of Object.values(ops)) refused(() => operator());
  },
  "freed tensors": () => {
    const gone = tensor([1]);
    gone.dispose();
    for (const [name, operator] of Object.entries(ops)) {
      if (operator.toString().includes("h(self)")) refused(() => operator(gone, gone, gone, gone));
      else if (/\bh\(/.test(operator.toString())) refused(() => operator(gone, gone, gone), name);
    }
    refused(() => grad(gone, [gone]));
  },
  "huge sizes": () => {
    for (const size of huge) {
      refused(() => ops.zeros([size, 2 ** 30]));
      refused(() => ops.randperm(size * 2 ** 12));
      refused(() => ops.eye(size));
      refused(() => ops.repeat(ops.ones([2 ** 20]), [size]));
      refused(() => ops.repeatInterleave(ops.ones([2 ** 20]), size));
      ops.zeros([size], { device: "meta" });
      refused(() => ops.constantPad(ops.ones([2 ** 12]), [0, size * 2 ** 12]));
      refused(() => ops.conv2d(ops.ones([1, 1, 2, 2]), ops.ones([1, 1, 1, 1]), { padding: size }));
      refused(() => ops.cat(Array(1 << 12).fill(ops.expand(ops.ones([1]), [size]))));
      refused(() => ops.contiguous(ops.expand(ops.ones([1]), [2 ** 20, size])));
      refused(() => ops.expand(ops.ones([1]), [2 ** 20, size]).toArray());
      refused(() => ops.oneHot(tensor([0], [1], { dtype: "int64" }), { numClasses: size * 2 ** 12 }));
      refused(() => ops.full([size], 1, { device: "nowhere" }));
    }
    refused(() => ops.arange(0, 1e300));
    refused(() => ops.oneHot(tensor(BigInt64Array.of(2n ** 63n - 1n))));
    refused(() => ops.indexSelect(ops.ones([3]), 0, tensor(BigInt64Array.of(2n ** 62n))));
  },
  "raw calls": () => {
    const zeros = native.resolve("aten::zeros");
    for (const dtype of [-1, 12, 999]) refused(() => native.call(zeros, [3], dtype));
    refused(() => new Tensor(native.call(zeros, [3], 9)).toArray());
    for (const handle of [0, -1, 1.5, 2 ** 24, 2 ** 52, 1e300, Number.NaN]) {
      refused(() => native.shape(handle));
      refused(() => native.toArray(handle));
      refused(() => native.grad([handle], [handle], undefined, false, false, false));
    }
    for (const [name, fn] of Object.entries(native)) {
      // All others need arguments.
      const alone = ["liveTensors", "liveBytes", "startMeter", "threads", "returnMemory", "version"];
      if (!alone.includes(name)) refused(() => fn());
    }
    refused(() => native.setErrorFactory("x"));
    refused(() => native.releaseAll([{}]));
    refused(() => native.call(native.resolve("aten::cat"), new Array(2 ** 30), 0));
  },
  "an error factory that throws": () => {
    native.setErrorFactory(() => {
      throw new RangeError("mine");
    });
    try {
      native.shape(0);
    } catch (error) {
      if (error instanceof RangeError) return;
    }
    throw new Error("expected the factory's own error");
  },
  "errors in every thread of an operator": () => {
    const index = tensor(BigInt64Array.from({ length: 1 << 20 }, () => 99n));
    for (let i = 0; i < 20; i++) refused(() => ops.indexSelect(ops.ones([4, 64]), 0, index));
    for (let i = 0; i < 20; i++) refused(() => ops.nllLoss(ops.ones([1 << 16, 4]), ops.narrow(index, 0, 0, 1 << 16)));
  },
  "more threads than cores": () => {
    setThreads(64);
    if (scope(() => ops.sum(ops.ones([1 << 20])).item()) !== 1 << 20) throw new Error("wrong sum");
  },
  "a graph of 100,000 steps": () => {
    scope(() => {
      const leaf = tensor([1]).setRequiresGrad(true);
      let at = ops.mul(leaf, 1);
      for (let i = 0; i < 100_000; i++) at = ops.add(at, 1);
      if (grad(at, [leaf])[0].item() !== 1) throw new Error("wrong gradient");
    });
  },
  "leaving inside a scope": () => {
    scope(() => {
      const made = Array.from({ length: 100 }, () => tensor([1]).setRequiresGrad(true));
      process.on("exit", () => made[0].item());
      noGrad(() => {
        console.log("alive");
        process.exit(0);
      });
    });
  },
  "another thread's tensors": async () => {
    const mine = tensor([1, 2, 3]);
    const code = await noGrad(() => ended(thread("-foreign", { handle: mine.handle })));
    if (code !== 0) throw new Error(`the thread ended with ${code}`);
    if (mine.item === undefined || mine.toNumbers().join() !== "1,2,3") throw new Error("the tensor changed");
  },
  "-foreign": () => {
    const own = Array.from({ length: 50 }, (_, i) => tensor([i]));
    refused(() => native.shape(workerData.handle));
    refused(() => ops.neg(new Tensor(workerData.handle)));
    if (native.release(workerData.handle)) throw new Error("released another thread's tensor");
    if (liveTensors() !== own.length) throw new Error("counted another thread's tensors");
    // The main thread began this one inside noGrad: the mode is a thread's own.
    if (!ops.neg(tensor([1]).setRequiresGrad(true)).requiresGrad) throw new Error("took over the mode");
  },
  "threads stopped in the middle": async () => {
    for (let i = 0; i < 4; i++) {
      const worker = thread("-busy");
      await new Promise((resolve) => worker.once("message", resolve));
      await worker.terminate();
    }
    manualSeed(rng(1));
    if (!Number.isFinite(ops.sum(ops.normal_(ops.empty([1000]))).item())) throw new Error("broken");
  },
  "-busy": async () => {
    const { parentPort } = await import("node:worker_threads");
    parentPort.postMessage("started");
    for (;;) scope(() => ops.mm(ops.ones([200, 200]), ops.ones([200, 200])));
  },
};

const way = process.argv[2] ?? "";
await ways[way]();
if (isMainThread) console.log("alive");
