// Run folders: the file of a run's network, and what the run says of it.
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readSafetensors } from "../../nn/index.js";
import { readManifest } from "../../run/index.js";
import { DataError } from "../../util/index.js";
import type { ForeignCheckpoint } from "./checkpoint.js";
import type { NamedNetwork } from "./inspect.js";
import { recogniseCheckpoint } from "./layout.js";
import { openForeign } from "./open.js";
import { specOf } from "./own.js";

/** A file or a run's folder, read. */
export interface ReadFile {
  readonly checkpoint: ForeignCheckpoint;
  /** The network's description, in files of ours. */
  readonly named: NamedNetwork | undefined;
}

/** What an unfinished run has instead of its network, the furthest stage first. */
const STAGES = ["finetune", "search", "pretrain"].map((stage) => join("checkpoints", `${stage}.safetensors`));

function fileIn(folder: string): string {
  const found = ["model.safetensors", ...STAGES].map((name) => join(folder, name)).find(existsSync);
  if (found !== undefined) return found;
  throw new DataError(
    `${folder}: expected a run with a finished stage, or a folder with model.safetensors, got neither`,
    {
      code: "data/unfinished-run",
    },
  );
}

/** Facts of a run; none where the folder is no run's. */
function runFacts(folder: string): Record<string, string | number> {
  if (!existsSync(join(folder, "run.json"))) return {};
  const { name, status, seed, createdAt } = readManifest(folder);
  return { run: name, status, seed, createdAt };
}

/** Reads what a path names: a checkpoint, or the network of a run. */
export function readAny(path: string): ReadFile {
  const isFolder = existsSync(path) && statSync(path).isDirectory();
  const opened = openForeign(isFolder ? fileIn(path) : path);
  const checkpoint = recogniseCheckpoint(opened);
  const named = checkpoint.layout === "s2ap" ? (specOf(opened.metadata?.spec) as NamedNetwork | undefined) : undefined;
  if (!isFolder) return { checkpoint, named };
  const stored = join(path, "masks.safetensors");
  const hasMasks = checkpoint.masks.size === 0 && existsSync(stored);
  const masks = hasMasks ? readSafetensors(stored).tensors : checkpoint.masks;
  return { checkpoint: { ...checkpoint, masks, facts: { ...runFacts(path), ...checkpoint.facts } }, named };
}
