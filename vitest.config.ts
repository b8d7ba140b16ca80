import { availableParallelism } from "node:os";
import { configDefaults, defineConfig } from "vitest/config";

/** Files that measure memory, watch a browser, or train so little that one rounding or another decides how it ends. */
const ALONE = [
  "src/util/peak-memory.test.ts",
  "src/train/{memory,probe}.test.ts",
  "test/{bench,docs}.test.ts",
  "test/e2e/{checkpoint-memory,memory,resume}.test.ts",
  "test/e2e/{dashboard,dashboard-pictures,report-page}.test.ts",
];

// Whole reference runs attack every image with everything.
const testTimeout = process.env.S2AP_ORACLES_WHOLE === "1" ? 4 * 3_600_000 : 120_000;

export default defineConfig({
  test: {
    // libtorch lives in the main thread of a process of its own.
    pool: "forks",
    testTimeout,
    hookTimeout: testTimeout,
    projects: [
      {
        extends: true,
        test: {
          name: "together",
          include: ["src/**/*.test.ts", "test/**/*.test.ts"],
          exclude: [...configDefaults.exclude, ...ALONE],
          // Most files are small work: two of them with a thread each end sooner than one after the other with two threads.
          maxWorkers: Math.min(4, availableParallelism()),
          env: { OMP_WAIT_POLICY: "PASSIVE", OMP_NUM_THREADS: "1" },
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: "alone",
          include: ALONE,
          maxWorkers: 1,
          env: { OMP_WAIT_POLICY: "PASSIVE", OMP_NUM_THREADS: "2" },
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
