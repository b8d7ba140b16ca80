// A folder as MLflow's file store keeps it, for `mlflow ui --backend-store-uri DIR` without a server:
//   EXPERIMENT_ID/meta.yaml
//   EXPERIMENT_ID/RUN_ID/meta.yaml, params/KEY, tags/KEY, metrics/KEY with lines `timestamp value step`, artifacts/
// (mlflow.org/docs, "Backend stores: local file system".) Ids are made from names and places, so that writing again replaces
// a run and never doubles it. Artifacts are not copied: the run's artifact address is its run folder.
import { rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { stringify } from "yaml";
import { findManifest, readEvents } from "../run/index.js";
import { diskError, makeFolder, sha256, writeFileAtomic } from "../util/index.js";
import { metricsOf, paramsOf, startOf, statusOf, tagsOf } from "./describe.js";
import type { Metric, MlflowStatus } from "./mlflow-client.js";
import type { Source } from "./sink.js";

/** Numbers of `RunStatus` in MLflow's service.proto. */
const STATUS: Readonly<Record<MlflowStatus, number>> = { RUNNING: 1, FINISHED: 3, FAILED: 4, KILLED: 5 };
/** `LOCAL` of its `SourceType`. */
const LOCAL = 4;

const hash = (text: string) => sha256(Buffer.from(text, "utf8"));

/** Eighteen digits, as MLflow's own. */
function experimentId(name: string): string {
  return String(10n ** 17n + (BigInt(`0x${hash(name).slice(0, 16)}`) % (9n * 10n ** 17n)));
}

function experimentMeta(folder: string, id: string, name: string, time: number): string {
  return stringify({
    artifact_location: pathToFileURL(resolve(folder)).href,
    creation_time: time,
    experiment_id: id,
    last_update_time: time,
    lifecycle_stage: "active",
    name,
  });
}

/** Hundreds of small files: what a crash leaves of them is no run without its meta.yaml. */
function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw diskError(path, error);
  }
}

/** The lines of each metric, in order. */
function metricFiles(metrics: readonly Metric[]): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const { key, value, timestamp, step } of metrics) {
    const lines = files.get(key) ?? [];
    files.set(key, lines);
    lines.push(`${timestamp} ${value} ${step}\n`);
  }
  return files;
}

/** Writes a run into an `mlruns` folder; returns the folder it got there. */
export function writeMlrun(root: string, source: Source): string {
  const manifest = findManifest(source.folder);
  const metrics = metricsOf(readEvents(source.folder));
  const start = startOf(manifest);
  const status = statusOf(source.folder);
  const experiment = experimentId(source.experiment);
  const id = hash(`${resolve(source.folder)} ${manifest?.createdAt ?? ""}`).slice(0, 32);
  const folder = join(root, experiment, id);
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["params", "tags", "metrics", "artifacts"]) makeFolder(join(folder, part));
  const above = join(root, experiment);
  writeFileAtomic(join(above, "meta.yaml"), experimentMeta(above, experiment, source.experiment, start));
  for (const { key, value } of paramsOf(manifest?.recipe)) write(join(folder, "params", key), value);
  for (const { key, value } of tagsOf(source.name, manifest)) write(join(folder, "tags", key), value);
  for (const [key, lines] of metricFiles(metrics)) {
    const path = join(folder, "metrics", ...key.split("/"));
    makeFolder(dirname(path));
    write(path, lines.join(""));
  }
  // Last: MLflow sees a run by this file.
  const meta = {
    artifact_uri: pathToFileURL(resolve(source.folder)).href,
    end_time: status === "RUNNING" ? null : (metrics.at(-1)?.timestamp ?? start),
    entry_point_name: "",
    experiment_id: experiment,
    lifecycle_stage: "active",
    run_id: id,
    run_name: source.name,
    run_uuid: id,
    source_name: "s2ap",
    source_type: LOCAL,
    source_version: manifest?.versions.s2ap ?? "",
    start_time: start,
    status: STATUS[status],
    tags: [],
    user_id: "s2ap",
  };
  writeFileAtomic(join(folder, "meta.yaml"), stringify(meta));
  return folder;
}
