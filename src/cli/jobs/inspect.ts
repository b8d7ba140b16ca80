import { statSync } from "node:fs";
import { type Inspection, inspectCheckpoint } from "../../recipe/foreign/inspect.js";
import { readAny } from "../../recipe/foreign/own-files.js";
import type { Job } from "../jobs.js";

export interface InspectOptions {
  /** A file, or a run's folder. */
  readonly path: string;
  readonly keepRatio?: number | undefined;
}

export interface InspectResult extends Inspection {
  /** Of the file. */
  readonly bytes: number;
}

/** What a file is. */
export const job: Job<InspectOptions, InspectResult> = ({ path, keepRatio }) => {
  const { checkpoint, named } = readAny(path);
  return { ...inspectCheckpoint(checkpoint, { keepRatio, named }), bytes: statSync(checkpoint.where).size };
};
