import { describe, expect, test } from "vitest";

interface Timing {
  readonly wall: number;
  readonly cpu: number;
  readonly counts: Readonly<Record<string, number>>;
}
interface Row {
  readonly name: string;
  readonly ours: string;
  readonly theirs: string;
  readonly bound: "atMost" | "atLeast";
  readonly goal: number;
}
interface Harness {
  judge(row: Row, ours: Timing[], theirs: Timing[], doubt?: string): Record<string, unknown>;
  median(values: number[]): number;
  measure(benchCase: object, options: { pairs: number }): Promise<Record<string, unknown>[]>;
}
interface Contender {
  hasBfloat16(cpuinfo: string): boolean;
}

// bench/ is plain JavaScript, so its modules are named by URL and typed here.
const load = (file: string) => import(new URL(`../bench/${file}`, import.meta.url).href);
const { judge, median, measure }: Harness = await load("harness.js");
const { hasBfloat16 }: Contender = await load("contender.js");

const times = (...walls: number[]): Timing[] => walls.map((wall) => ({ wall, cpu: 2 * wall, counts: {} }));
const row = (bound: "atMost" | "atLeast", goal: number): Row => ({ name: "r", ours: "a", theirs: "b", bound, goal });

describe("bench", () => {
  test("the ratio is the median over pairs, not the ratio of medians", () => {
    const result = judge(row("atMost", 1.05), times(1, 2, 3, 4, 50), times(1, 2, 3, 4, 5));
    expect(result).toMatchObject({ ratio: 1, ratioSpread: [1, 10], holds: true, pairs: 5 });
    expect(median([4, 1, 3, 2])).toBe(2.5);
  });

  test("a bound from below is a speed-up", () => {
    const slow = times(8, 8, 8, 8, 8);
    expect(judge(row("atLeast", 4), times(2, 2, 2, 2, 2), slow)).toMatchObject({ ratio: 4, holds: true });
    expect(judge(row("atLeast", 4), times(2.1, 2.1, 2.1, 2.1, 2.1), slow)).toMatchObject({ holds: false });
    expect(judge(row("atMost", 1.2), times(13, 13, 13, 13, 13), slow)).toMatchObject({ ratio: 1.625, holds: false });
  });

  test("too few pairs and a doubt decide nothing", () => {
    expect(judge(row("atMost", 2), times(1, 1, 1, 1), times(1, 1, 1, 1)).holds).toBeNull();
    const doubted = judge(row("atMost", 2), times(1, 1, 1, 1, 1), times(1, 1, 1, 1, 1), "not the same libtorch");
    expect(doubted).toMatchObject({ holds: null, note: "not the same libtorch" });
  });

  test("bfloat16 counts only when the CPU multiplies it", () => {
    expect(hasBfloat16("flags : avx2 avx512f avx512_bf16 fma")).toBe(true);
    expect(hasBfloat16("flags : amx_bf16 amx_tile")).toBe(true);
    expect(hasBfloat16("flags : avx2 avx512f fma")).toBe(false);
  });

  test("a contender that fails says why", async () => {
    const broken = { runtime: "node", script: "peers/protocol.py", options: {}, steps: 1, warmup: 0 };
    const attempt = measure(
      { name: "c", contenders: { a: broken, b: broken }, rows: [row("atMost", 1)] },
      { pairs: 1 },
    );
    await expect(attempt).rejects.toThrow(
      /peers\/protocol\.py: expected an answer, got exit 1[\s\S]*ERR_UNKNOWN_FILE_EXTENSION/,
    );
  });
});
