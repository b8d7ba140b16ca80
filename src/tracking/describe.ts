// What a run is, in the words of trackers: parameters, tags and how it ended.
import { findManifest, lockOwner, type Manifest, type RunEvent } from "../run/index.js";
import type { Metric, MlflowStatus, Named } from "./mlflow-client.js";
import { pointsOf, timeOf } from "./points.js";

const LONGEST_KEY = 250;
/** What every version of MLflow takes. */
const LONGEST_VALUE = 500;

/** The leaves of a recipe: `stages.search.epochs` and its value as text. */
export function paramsOf(recipe: unknown, path = ""): Named[] {
  if (typeof recipe !== "object" || recipe === null) {
    // Letters, digits and _-. in a key: what MLflow takes, and no path.
    const key = path
      .replace(/[^\w.-]/g, "_")
      .replace(/^\.+/, "_")
      .slice(0, LONGEST_KEY);
    return path === "" || recipe === null ? [] : [{ key, value: String(recipe).slice(0, LONGEST_VALUE) }];
  }
  const inner = (key: string) => (path === "" ? key : `${path}.${key}`);
  return Object.entries(recipe).flatMap(([key, value]) => paramsOf(value, inner(key)));
}

/** When a run began, in milliseconds since 1970; now, where nothing says. */
export function startOf(manifest: Manifest | undefined): number {
  const time = Date.parse(manifest?.createdAt ?? "");
  return Number.isNaN(time) ? Date.now() : time;
}

export function tagsOf(name: string, manifest: Manifest | undefined): Named[] {
  return [
    { key: "mlflow.runName", value: name },
    { key: "mlflow.source.name", value: "s2ap" },
    { key: "mlflow.source.type", value: "LOCAL" },
    ...(manifest === undefined
      ? []
      : [
          { key: "s2ap.version", value: manifest.versions.s2ap ?? "" },
          { key: "s2ap.recipeHash", value: manifest.recipeHash },
          { key: "s2ap.seed", value: String(manifest.seed) },
        ]),
  ];
}

/** How a run folder stands now. A run that was stopped or killed may go on: it is then RUNNING again. */
export function statusOf(folder: string): MlflowStatus {
  const status = findManifest(folder)?.status;
  if (status === "done") return "FINISHED";
  if (status === "failed") return "FAILED";
  return status === "running" && lockOwner(folder) !== undefined ? "RUNNING" : "KILLED";
}

export function metricsOf(events: readonly RunEvent[]): Metric[] {
  return events.flatMap((event) =>
    pointsOf(event).map(({ tag, step, value }) => ({ key: tag, value, timestamp: timeOf(event), step })),
  );
}
