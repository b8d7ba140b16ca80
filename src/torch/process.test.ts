// What could take the process down runs in a process of its own.
import { describe, expect, test } from "vitest";
import { runCode, runScript } from "../../test/support/child.js";

describe("a process survives", () => {
  test.each([
    "no arguments",
    "freed tensors",
    "huge sizes",
    "raw calls",
    "an error factory that throws",
    "errors in every thread of an operator",
    "more threads than cores",
    "a graph of 100,000 steps",
    "leaving inside a scope",
    "another thread's tensors",
    "threads stopped in the middle",
  ])("%s", (way) => {
    const { status, signal, stdout, stderr } = runScript("nasty.js", { args: [way] });
    expect({ status, signal, last: lastLine(stdout), stderr }).toEqual({
      status: 0,
      signal: null,
      last: "alive",
      stderr: "",
    });
  });

  test.each([1, 2])("random arguments to every operator, seed %i", (seed) => {
    const { status, signal, stdout, stderr } = runScript("fuzz-ops.js", { args: [String(seed), "60"] });
    const last = lastLine(stdout);
    expect(last, stderr.slice(-2000)).toMatch(/^done: \d+ calls, \d+ refused$/);
    expect({ status, signal }).toEqual({ status: 0, signal: null });
    const [calls = 0, refused = 0] = last.match(/\d+/g)?.map(Number) ?? [];
    expect(calls).toBeGreaterThan(9000);
    // Neither all garbage nor all polite.
    expect(refused / calls).toBeGreaterThan(0.2);
    expect(refused / calls).toBeLessThan(0.8);
  });

  test("an error nobody catches, which ends it with code 1 and names the operator", () => {
    const { status, stderr } = runCode("torch.ops.mm(torch.ops.ones([2, 3]), torch.ops.ones([2, 3]))");
    expect(status).toBe(1);
    expect(stderr).toContain("TorchError: mm: mat1 and mat2 shapes cannot be multiplied");
  });
});

describe("tensors lost outside of scopes", () => {
  test("are freed when they are collected", () => {
    const { stdout } = runScript("lost.js", { args: ["40"], flags: ["--expose-gc"] });
    expect(JSON.parse(stdout)).toMatchObject({ live: 0 });
  });

  test("are collected in time, since V8 knows their bytes", () => {
    const { stdout } = runScript("lost.js", { args: ["300"] });
    const { peak } = JSON.parse(stdout) as { peak: number };
    // 300 of 16 MB each would be 4.8 GB.
    expect(peak).toBeLessThan(100);
  });
});

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

test.runIf(process.platform === "linux")("a peak of memory is not that of what was freed before it", () => {
  const code = `
    const { beginPeakMemory, ops } = await import("./dist/torch/index.js");
    const { peakMemory } = await import("./dist/util/index.js");
    const before = process.memoryUsage.rss();
    const big = Array.from({ length: 50 }, () => ops.ones([2 ** 20]));
    const full = process.memoryUsage.rss();
    for (const tensor of big) tensor.dispose();
    beginPeakMemory();
    console.log(JSON.stringify({ grew: full - before, left: peakMemory() - before }));
  `;
  const { grew, left } = JSON.parse(runCode(code).stdout) as { grew: number; left: number };
  expect(grew).toBeGreaterThan(180e6);
  expect(left).toBeLessThan(60e6);
});
