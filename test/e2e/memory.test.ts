import { describe, expect, test } from "vitest";
import { runScript } from "../support/child.js";

describe.each(["pretrain", "search"])("a thousand steps of %s", (stage) => {
  test("leave live tensors as they were, and resident memory within 2 % from step 200 on", () => {
    const { stdout, stderr } = runScript("thousand-steps.js", {
      args: [stage],
      flags: ["--expose-gc"],
      // Two threads that wait for each other are slower than one where there is so little to do.
      env: { OMP_NUM_THREADS: "1" },
    });
    expect(stderr).toBe("");
    const { step, measured } = JSON.parse(stdout) as { step: number; measured: [number, number, number][] };
    expect(step).toBe(1000);
    const later = measured.slice(20);
    expect(new Set(later.map(([tensors]) => tensors)).size).toBe(1);
    expect(new Set(later.map(([, bytes]) => bytes)).size).toBe(1);
    const resident = later.map(([, , bytes]) => bytes);
    expect(Math.max(...resident) / Math.min(...resident)).toBeLessThan(1.02);
  });
});
