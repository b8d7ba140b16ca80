// `s2ap eval` in processes of its own on the committed network and on images that are made up from its eight.
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { loadTensors, saveTensors } from "../../src/nn/index.js";
import { type Tensor, tensor } from "../../src/torch/index.js";
import { rng } from "../../src/util/index.js";

const bin = fileURLToPath(new URL("../../bin/s2ap.js", import.meta.url));
const data = fileURLToPath(new URL("../golden/data/network", import.meta.url));

/** A file of the committed network. */
export const committed = (name: string): string => join(data, name);
export const arch = ["--arch", committed("arch.json")];
export const weights = ["--weights", committed("weights.safetensors")];
export const network = [...arch, ...weights];

/** Writes a file of so many images for `--images`: the eight in turn, with noise of their own. */
export function writeImages(path: string, count: number): void {
  const { tensors } = loadTensors(join(data, "inputs.safetensors"));
  const [images, labels] = ["images", "labels"].map((name) => tensors.get(name) as Tensor) as [Tensor, Tensor];
  const [given, pixels] = [images.shape[0] as number, images.toArray() as Uint8Array];
  const size = pixels.length / given;
  const noisy = Uint8Array.from({ length: count * size }, (_, at) => pixels[at % pixels.length] as number);
  for (let i = 0; i < count; i++) {
    const noise = rng(0, "noise", i);
    for (let k = i * size; k < (i + 1) * size; k++) {
      noisy[k] = Math.max(0, Math.min(255, (noisy[k] as number) + Math.floor(noise.uniform() * 60) - 30));
    }
  }
  const classes = labels.toNumbers();
  const made = BigInt64Array.from({ length: count }, (_, i) => BigInt(classes[i % given] as number));
  saveTensors(
    path,
    new Map([
      ...[
        ["images", tensor(noisy, [count, ...images.shape.slice(1)])],
        ["labels", tensor(made)],
      ],
    ] as [string, Tensor][]),
  );
}

export interface EvalEnded {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface EvalProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<EvalEnded>;
}

/** Starts a program; as the head of a process group, so that it can be killed with the processes that it starts. */
export function startProcess(file: string, argv: readonly string[]): EvalProcess {
  const env = { ...process.env, OMP_NUM_THREADS: "1" };
  const child = spawn(file, argv, { env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (text) => (texts.stdout += text));
  child.stderr.on("data", (text) => (texts.stderr += text));
  const ended = new Promise<EvalEnded>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => resolve({ status, signal, ...texts }));
  });
  return { child, ended };
}

export const evalArgv = (argv: readonly string[]): string[] => [bin, "eval", ...argv, "--json"];
export const startEval = (argv: readonly string[]): EvalProcess => startProcess(process.execPath, evalArgv(argv));

/** Runs to the end; `answer` is the one object on standard output. */
export async function runEval(argv: readonly string[]) {
  const { status, stdout, stderr } = await startEval(argv).ended;
  return { status, stderr, answer: stdout === "" ? undefined : JSON.parse(stdout) };
}

/** The process that writes a shard's part of a record now or died doing so. */
export function writerOf(record: string, shard = 0): number | undefined {
  try {
    return JSON.parse(readFileSync(join(record, `shard-${shard}/lock`), "utf8")).pid;
  } catch {
    return undefined;
  }
}

/** Waits until a process has the shard's lock that is not this earlier one; undefined when all ended before. */
export async function nextWriter(record: string, shard: number, before: number | undefined, { child }: EvalProcess) {
  for (;;) {
    const writer = writerOf(record, shard);
    if (writer !== undefined && writer !== before) return writer;
    if (child.exitCode !== null || child.signalCode !== null) return undefined;
    await sleep(2);
  }
}

/** Times are never equal. A process that goes on makes the clean logits of a block once more, which counts as passes. */
const COSTS = new Set(["seconds", "passes", "time", "created", "date"]);

/** Without costs and without where the record lies. */
export function withoutCosts(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (COSTS.has(key) || key === "record" ? undefined : inner)));
}

/** What a record claims: its files as they are, but for what the work took. */
export function claimOf(record: string) {
  const read = (name: string) => readFileSync(join(record, name), "utf8");
  return {
    images: read("images.json"),
    points: readFileSync(join(record, "adversarial.safetensors")).toString("base64"),
    clean: readFileSync(join(record, "clean.safetensors")).toString("base64"),
    result: withoutCosts(JSON.parse(read("result.json"))),
    card: withoutCosts(JSON.parse(read("card.json"))),
    description: read("record.json"),
  };
}

/** Backward passes that a record counts; the same however often it was stopped. */
export const backwardOf = (record: string): number =>
  JSON.parse(readFileSync(join(record, "result.json"), "utf8")).passes.backward;
