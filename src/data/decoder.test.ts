// The thread that decodes must end with whoever started it, and its memory must not grow.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { distUrl, runCode } from "../../test/support/child.js";
import { imageTree } from "../../test/support/image-tree.js";

const root = mkdtempSync(join(tmpdir(), "s2ap-decoder-"));
beforeAll(async () => {
  await imageTree(root, { train: 24, val: 4 });
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const begin = () => `
  const { imageFolder } = await import(${JSON.stringify(distUrl("data/index.js"))});
  const { rng } = await import(${JSON.stringify(distUrl("util/index.js"))});
  const open = (options) => imageFolder({ path: ${JSON.stringify(root)}, imageSize: 64, selection: 8, batchSize: 8, ...options });
  const key = rng(1);`;

test("a process ends by itself while images are still asked for", () => {
  const { status, stdout, stderr } = runCode(
    `${begin()}
    const { train, test } = await open({ imageSize: 512 });
    train.batch(0, 0, key);
    test.ordered(0, 2);
    console.log("done");`,
    { timeout: 60_000 },
  );
  expect([status, stdout, stderr]).toEqual([0, "done\n", ""]);
});

test("a process that fails ends too, with its own error", () => {
  const { status, stderr } = runCode(
    `${begin()}
    const { train } = await open();
    train.batch(0, 0, key);
    throw new Error("of the run");`,
    { timeout: 60_000 },
  );
  expect(status).toBe(1);
  expect(stderr).toContain("of the run");
});

test("a thread that ends takes its decoder along", () => {
  const { status, stdout } = runCode(
    `const { Worker } = await import("node:worker_threads");
    const code = ${JSON.stringify(`${begin()}
      const { train } = await open({ imageSize: 512 });
      train.batch(0, 0, key);
      process.exit(3);`)};
    const url = new URL("data:text/javascript," + encodeURIComponent(code));
    const ended = await new Promise((resolve) => new Worker(url).on("exit", resolve).on("error", (e) => resolve(String(e))));
    console.log(ended);`,
    { timeout: 60_000 },
  );
  expect([status, stdout]).toEqual([0, "3\n"]);
});

test("many batches take no more memory than a few", () => {
  const { status, stdout, stderr } = runCode(
    `${begin()}
    const { train } = await open();
    const some = (from, count) => {
      for (let i = from; i < from + count; i++) torch.scope(() => { train.batch(Math.floor(i / train.steps), i % train.steps, key); });
      globalThis.gc();
      return process.memoryUsage().rss / 2 ** 20;
    };
    some(0, 40);
    const before = some(40, 20);
    const after = some(60, 90);
    console.log(JSON.stringify({ before, grown: after - before, tensors: torch.liveTensors() }));`,
    { flags: ["--expose-gc"] },
  );
  expect([status, stderr]).toEqual([0, ""]);
  const { grown, tensors } = JSON.parse(stdout) as { grown: number; tensors: number };
  // The labels of both parts.
  expect(tensors).toBe(2);
  // 90 batches hold 9 MB as bytes and 35 MB as floats.
  expect(grown).toBeLessThan(8);
});
