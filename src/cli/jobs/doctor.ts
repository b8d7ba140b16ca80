import { existsSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../../data/index.js";
import {
  autocast,
  blas,
  hasBfloat16,
  noGrad,
  ops,
  type Precision,
  scope,
  threads,
  torchVersion,
} from "../../torch/index.js";
import type { Job } from "../jobs.js";

/** What only the thread that owns libtorch can tell. */
export interface TorchFacts {
  readonly version: string;
  readonly blas: { readonly path: string; readonly isReference: boolean };
  readonly threads: number;
  readonly bfloat16: boolean;
  /** Billions of floating-point operations a second in the convolutions of a ResNet's first stage. */
  readonly gigaflops: Readonly<Partial<Record<Precision, number>>>;
  readonly cache: { readonly folder: string; readonly cifar10: boolean };
}

const BATCH = 32;
const WIDTH = 64;
const SIZE = 32;

/** Convolves for a while and counts: 2 operations per weight, channel and pixel. */
function convolutionSpeed(precision: Precision, milliseconds: number): number {
  const perCall = 2 * BATCH * WIDTH * WIDTH * 9 * SIZE * SIZE;
  const fill = (shape: readonly number[]) => ops.uniform_(ops.empty(shape, { memoryFormat: "channels_last" }));
  return noGrad(() =>
    scope(() => {
      const x = fill([BATCH, WIDTH, SIZE, SIZE]);
      const weight = fill([WIDTH, WIDTH, 3, 3]);
      const once = () => scope(() => autocast(precision, () => void ops.conv2d(x, weight, { padding: 1 })));
      once();
      const begin = performance.now();
      let calls = 0;
      for (; performance.now() - begin < milliseconds; calls++) once();
      return (calls * perCall) / (performance.now() - begin) / 1e6;
    }),
  );
}

/** Looks at libtorch and the machine, and measures for two seconds. */
export const job: Job<unknown, TorchFacts> = () => {
  const bfloat16 = hasBfloat16();
  const folder = cacheFolder();
  return {
    version: torchVersion(),
    blas: blas(),
    threads: threads(),
    bfloat16,
    gigaflops: {
      float32: convolutionSpeed("float32", bfloat16 ? 1000 : 2000),
      ...(bfloat16 ? { bfloat16: convolutionSpeed("bfloat16", 1000) } : {}),
    },
    cache: { folder, cifar10: existsSync(join(folder, "cifar10")) },
  };
};
