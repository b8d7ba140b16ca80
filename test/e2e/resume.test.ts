// Killed at any moment and run again, a run ends with the bits of one that was never stopped.
import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/nn/checkpoint/safetensors.js";
import { readEvents, withoutTimes } from "../../src/run/index.js";
import { rng } from "../../src/util/index.js";
import { buildDist } from "../support/child.js";

const script = fileURLToPath(new URL("../support/tiny-run.js", import.meta.url));
const base = mkdtempSync(join(tmpdir(), "s2ap-resume-"));
afterAll(() => rmSync(base, { recursive: true, force: true }));

interface Running {
  readonly child: ChildProcess;
  /** When the run folder is open and training begins. */
  readonly begun: Promise<void>;
  readonly ended: Promise<{ status: number | null; signal: NodeJS.Signals | null; stderr: string }>;
}

function start(folder: string): Running {
  const child = spawn(process.execPath, [script, folder], { env: { ...process.env, OMP_NUM_THREADS: "2" } });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const begun = new Promise<void>((resolve) => {
    child.stdout.on("data", (text: Buffer) => text.includes("begun") && resolve());
    child.on("exit", () => resolve());
  });
  const ended = new Promise<Awaited<Running["ended"]>>((resolve) => {
    child.on("close", (status, signal) => resolve({ status, signal, stderr }));
  });
  return { child, begun, ended };
}

async function toTheEnd(folder: string): Promise<string> {
  const { status, stderr } = await start(folder).ended;
  if (status !== 0) throw new Error(stderr);
  return stderr;
}

/** Kills after so many milliseconds of training; says whether it was still running. */
async function killAfter(folder: string, milliseconds: number): Promise<boolean> {
  const running = start(folder);
  await running.begun;
  await sleep(milliseconds);
  running.child.kill("SIGKILL");
  return (await running.ended).signal === "SIGKILL";
}

/** Everything that must be the same: tensors of every stage's result, the masks of the search's epochs, and events but for their times. */
function outcome(folder: string): unknown {
  const stages = ["pretrain", "search", "finetune"].map((stage) => {
    const { tensors } = readSafetensors(join(folder, "checkpoints", `${stage}.safetensors`));
    return Array.from(tensors, ([name, t]) => [name, t.dtype, t.shape, Buffer.from(t.data).toString("base64")]).sort();
  });
  const masks = readdirSync(join(folder, "masks")).sort();
  const epochs = masks.map((name) => [name, readFileSync(join(folder, "masks", name)).toString("base64")]);
  return { stages, epochs, events: readEvents(folder).map(withoutTimes) };
}

const reference = join(base, "reference");
let whole: unknown;
/** Milliseconds of training in one go. */
let duration: number;

beforeAll(async () => {
  buildDist();
  const running = start(reference);
  await running.begun;
  const begun = performance.now();
  const { status, stderr } = await running.ended;
  if (status !== 0) throw new Error(stderr);
  duration = performance.now() - begun;
  whole = outcome(reference);
}, 300_000);

test("ten SIGKILLs at random moments leave the same bits", async () => {
  const folder = join(base, "killed");
  let kills = 0;
  for (let i = 0; i < 10; i++) {
    if (await killAfter(folder, rng(20261122, "kill", i).uniform() * 0.12 * duration)) kills += 1;
  }
  expect(kills).toBe(10);
  await toTheEnd(folder);
  expect(outcome(folder)).toEqual(whole);
}, 600_000);

test("a run that is finished is left alone by a second call", async () => {
  const files = readdirSync(join(reference, "checkpoints"));
  const times = files.map((file) => statSync(join(reference, "checkpoints", file)).mtimeMs);
  await toTheEnd(reference);
  expect(readdirSync(join(reference, "checkpoints"))).toEqual(files);
  expect(files.map((file) => statSync(join(reference, "checkpoints", file)).mtimeMs)).toEqual(times);
  expect(outcome(reference)).toEqual(whole);
}, 200_000);

function flipByte(path: string): void {
  const file = openSync(path, "r+");
  const at = statSync(path).size - 100;
  writeSync(file, Buffer.from([0xa5, 0x5a, 0xa5]), 0, 3, at);
  closeSync(file);
}

describe.each([
  ["flipped bytes", flipByte],
  ["a cut end", (path: string) => truncateSync(path, statSync(path).size - 1000)],
])("a newest checkpoint with %s", (what, damage) => {
  test("is passed over with a warning, and the bits are the same", async () => {
    const folder = join(base, what.replaceAll(" ", "-"));
    // Killed until a current and a previous checkpoint lie there: between two stages there are none.
    const checkpoints = () => readdirSync(join(folder, "checkpoints"));
    const both = () => ["current", "previous"].every((name) => checkpoints().includes(`${name}.safetensors`));
    for (let i = 0; i === 0 || !both(); i++) await killAfter(folder, (0.25 + 0.05 * i) * duration);
    damage(join(folder, "checkpoints", "current.safetensors"));
    const stderr = await toTheEnd(folder);
    expect(stderr).toMatch(/current\.safetensors.*going back to the checkpoint before it/);
    expect(outcome(folder)).toEqual(whole);
  }, 300_000);
});

test("a second writer is refused and names the first", async () => {
  const folder = join(base, "two");
  const first = start(folder);
  await first.begun;
  const second = await start(folder).ended;
  first.child.kill("SIGKILL");
  await first.ended;
  expect(second.status).not.toBe(0);
  expect(second.stderr).toContain(`${first.child.pid}`);
}, 100_000);
