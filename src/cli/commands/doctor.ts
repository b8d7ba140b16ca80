import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, freemem, totalmem } from "node:os";
import { delimiter, join } from "node:path";
import { packageVersion } from "../../util/index.js";
import { toFailure } from "../failure.js";
import { table } from "../format.js";
import type { TorchFacts } from "../jobs/doctor.js";
import { type Cli, command, positive, printJson } from "./context.js";

/** One thing that was looked at. */
export interface Finding {
  readonly what: string;
  readonly state: "ok" | "warning" | "failed";
  readonly found: string;
  /** What to do about it. */
  readonly cure?: string;
}

/** `s2ap doctor`: what is installed, and how fast it is. */
export function doctorCommand(cli: Cli) {
  return command("doctor", "Look at what is installed and measure its speed for two seconds.", [
    "s2ap doctor",
    "s2ap doctor --threads 1",
    "s2ap doctor --json",
  ])
    .option("--threads <n>", "threads of libtorch; default one a processor", positive)
    .action(async ({ json, threads, plugin = [] }) => {
      const findings = [...machineFindings(), ...(await torch(cli, threads, plugin))];
      if (json === true) printJson(cli.terminal, findings);
      else cli.terminal.out(findingsText(findings));
      if (findings.some(({ state }) => state === "failed")) cli.exitCode = 1;
    });
}

async function torch(cli: Cli, threads: number | undefined, plugins: readonly string[]): Promise<Finding[]> {
  try {
    return torchFindings((await cli.work("doctor", {}, { threads, plugins })) as TorchFacts, libtorchFolder());
  } catch (error) {
    const found = toFailure(error).message;
    return [{ what: "libtorch", state: "failed", found, cure: "run scripts/bootstrap" }];
  }
}

/** Where the addon's libtorch is, as its build wrote down. */
function libtorchFolder(): string {
  try {
    const text = readFileSync(new URL("../../../build/libtorch.json", import.meta.url), "utf8");
    return String((JSON.parse(text) as { readonly lib?: unknown }).lib);
  } catch {
    return "unknown folder";
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}

/** What scripts/bootstrap builds the addon with; an addon that is built does not need them. */
function buildTools(path = process.env.PATH ?? ""): Finding {
  const folders = path.split(delimiter);
  const missing = ["cmake", "ninja", "c++"].filter((tool) => !folders.some((folder) => existsSync(join(folder, tool))));
  if (missing.length === 0) return { what: "build tools", state: "ok", found: "cmake, ninja, c++" };
  return { what: "build tools", state: "warning", found: `no ${missing.join(", ")}`, cure: "run scripts/bootstrap" };
}

export function machineFindings(): Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const recent = major > 20 || (major === 20 && minor >= 19);
  const free = freemem();
  return [
    { what: "s2ap", state: "ok", found: packageVersion() },
    {
      what: "Node",
      state: recent ? "ok" : "failed",
      found: process.versions.node,
      ...(recent ? {} : { cure: "install Node 20.19 or later" }),
    },
    buildTools(),
    {
      what: "processor",
      state: "ok",
      found: `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} to use`,
    },
    {
      what: "memory",
      state: free < 2 ** 31 ? "warning" : "ok",
      found: `${gigabytes(free)} of ${gigabytes(totalmem())} free`,
      ...(free < 2 ** 31 ? { cure: "close other programs: the quickstart takes up to 4 GB" } : {}),
    },
  ];
}

export function torchFindings(facts: TorchFacts, folder: string): Finding[] {
  const { blas, threads, bfloat16, gigaflops, cache } = facts;
  const speed = Object.entries(gigaflops).map(([precision, value]) => `${value.toFixed(0)} Gflop/s in ${precision}`);
  return [
    { what: "libtorch", state: "ok", found: `${facts.version} in ${folder}` },
    {
      what: "BLAS",
      state: blas.isReference ? "warning" : "ok",
      found: blas.path,
      ...(blas.isReference
        ? { cure: "this is the reference BLAS, about 25 times slower: apt-get install libopenblas0-openmp" }
        : {}),
    },
    {
      what: "threads",
      state: "ok",
      found: `${threads}, OMP_WAIT_POLICY=${process.env.OMP_WAIT_POLICY ?? "unset"}`,
    },
    {
      what: "bfloat16",
      state: "ok",
      found: bfloat16 ? "yes" : "no: this processor would emulate it; precision auto trains in float32",
    },
    { what: "convolutions", state: "ok", found: speed.join(", ") },
    {
      what: "CIFAR-10",
      state: "ok",
      found: cache.cifar10 ? `in ${cache.folder}` : `not in ${cache.folder} yet: it is fetched on first use (139 MB)`,
    },
  ];
}

export function findingsText(findings: readonly Finding[]): string {
  const rows = findings.flatMap(({ what, state, found, cure }) => [
    [state, what, found],
    ...(cure === undefined ? [] : [["", "", `-> ${cure}`]]),
  ]);
  return table(rows);
}
