// Two things compared in one run: the contenders of a case take turns (A B A B ...), each row of the result is the
// median of the ratios of the pairs. Ratios of pairs survive a noisy machine; absolute times do not.

import { missing, sameLibrary, start, THREADS } from "./contender.js";

/** Fewer pairs than this decide nothing. */
export const MIN_PAIRS = 5;

/**
 * @typedef {object} RowSpec
 * @property {string} name
 * @property {string} peer        what ours is compared with, in words
 * @property {string} ours        key of a contender
 * @property {string} theirs      key of a contender
 * @property {"atMost" | "atLeast"} bound   `atMost`: ratio is ours / theirs (time). `atLeast`: theirs / ours (speed-up)
 * @property {number} goal
 * @property {boolean} [sameLibtorch]   decides only if both run on the same libtorch
 * @property {string} [note]
 */

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {Record<string, import("./contender.js").ContenderSpec>} contenders   in the order of their turns
 * @property {readonly RowSpec[]} rows
 */

/** Time one case and give its rows. A contender that cannot run here leaves its rows undecided (`holds: null`). */
export async function measure(/** @type {Case} */ benchCase, { pairs, progress = (_line) => {} }) {
  const reasons = reasonsNotToRun(benchCase);
  const wanted = new Set(
    benchCase.rows.filter((row) => !reasonFor(row, reasons)).flatMap((row) => [row.ours, row.theirs]),
  );
  const running = {};
  const turns = {};
  try {
    for (const [key, spec] of Object.entries(benchCase.contenders).filter(([key]) => wanted.has(key))) {
      progress(`${benchCase.name}: warming up ${key}`);
      running[key] = await start(spec);
      turns[key] = [];
    }
    for (let pair = 0; pair < pairs && wanted.size > 0; pair++) {
      for (const key of Object.keys(running)) turns[key].push(await running[key].turn());
      progress(`${benchCase.name}: pair ${pair + 1} of ${pairs}, ${shown(turns)}`);
    }
  } finally {
    for (const contender of Object.values(running)) contender.stop();
  }
  return benchCase.rows.map((row) => {
    const reason = reasonFor(row, reasons);
    if (reason) return emptyRow(row, reason);
    const same = sameLibrary(running[row.ours].libtorch, running[row.theirs].libtorch);
    return judge(
      row,
      turns[row.ours],
      turns[row.theirs],
      row.sameLibtorch && !same ? "not the same libtorch" : undefined,
    );
  });
}

function reasonsNotToRun(/** @type {Case} */ { contenders }) {
  return Object.fromEntries(Object.entries(contenders).map(([key, spec]) => [key, missing(spec)]));
}

function reasonFor(/** @type {RowSpec} */ row, reasons) {
  return reasons[row.ours] ?? reasons[row.theirs];
}

function shown(turns) {
  return Object.entries(turns)
    .map(([key, all]) => `${key} ${all.at(-1).wall.toFixed(3)} s`)
    .join(", ");
}

function emptyRow(/** @type {RowSpec} */ row, reason) {
  return { ...heading(row), ratio: null, holds: null, pairs: 0, threads: THREADS, note: notes(row.note, reason) };
}

function heading(/** @type {RowSpec} */ { name, peer, goal, bound }) {
  return { name, peer, goal, bound };
}

function notes(...parts) {
  return parts.filter(Boolean).join("; ");
}

/** From two equally long lists of timings to a row. `doubt` is a reason to leave the row undecided all the same. */
export function judge(/** @type {RowSpec} */ row, ours, theirs, doubt) {
  const ratios = (what) =>
    ours.map((mine, i) => (row.bound === "atMost" ? mine[what] / theirs[i][what] : theirs[i][what] / mine[what]));
  const wall = ratios("wall");
  const ratio = median(wall);
  const few = ours.length < MIN_PAIRS ? `${ours.length} pairs decide nothing, ${MIN_PAIRS} do` : undefined;
  const holds = row.bound === "atMost" ? ratio <= row.goal : ratio >= row.goal;
  return {
    ...heading(row),
    ratio,
    ratioSpread: spread(wall),
    cpuRatio: median(ratios("cpu")),
    holds: few || doubt ? null : holds,
    ours: summary(ours),
    theirs: summary(theirs),
    pairs: ours.length,
    threads: THREADS,
    note: notes(row.note, few, doubt),
  };
}

/** Seconds a step: median, and smallest and largest. */
function summary(timings) {
  const wall = timings.map((timing) => timing.wall);
  const cpu = timings.map((timing) => timing.cpu);
  return {
    wallMedian: median(wall),
    wallSpread: spread(wall),
    cpuMedian: median(cpu),
    cpuSpread: spread(cpu),
    counts: timings.at(-1).counts,
  };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function spread(values) {
  return [Math.min(...values), Math.max(...values)];
}
