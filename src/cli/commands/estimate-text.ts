import type { Estimate } from "../../recipe/index.js";
import { count, duration, table } from "../format.js";

export type Predicted = Estimate;

const gigabytes = (bytes: number | null) => (bytes === null ? "" : `${(bytes / 1e9).toFixed(2)} GB`);

/** A line for each stage and attack of each run. */
export function estimateTable({ runs }: Predicted): string {
  const head = ["run", "stage or attack", "forward", "backward", "time", "peak memory"];
  const rows = runs.flatMap(({ name, lines }) =>
    lines.map(({ what, forward, backward, seconds, peakMemory }) => [
      ...[name, what, count(forward), count(backward)],
      ...[duration(seconds), gigabytes(peakMemory)],
    ]),
  );
  return table([head, ...rows], [2, 3, 4, 5]);
}

/** `in all 13:20, 28,000 passes, peak memory 1.23 GB; ...`. */
export function estimateSummary({ seconds, forward, backward, peakMemory, probeSeconds }: Predicted): string {
  const passes = `${count(forward + backward)} passes, peak memory ${gigabytes(peakMemory)}`;
  const how = `measured in ${duration(probeSeconds)}, on a machine as busy as it is now`;
  return `in all about ${duration(seconds)}, ${passes} (${how})`;
}
