import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    // libtorch lives in the main thread of a process of its own; two files side by side would fight over two cores.
    pool: "forks",
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    env: { OMP_WAIT_POLICY: "PASSIVE", OMP_NUM_THREADS: "2" },
  },
});
