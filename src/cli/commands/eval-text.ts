// What an evaluation looks like on a terminal.
import { join } from "node:path";
import { count, duration, percent, table } from "../format.js";
import type {
  CompareResult,
  CurvesResult,
  EvalAnswer,
  EvalOrigin,
  EvalResult,
  TraceResult,
  VerifyResult,
} from "../jobs/eval-options.js";

export function answerText(answer: EvalAnswer): string {
  switch (answer.kind) {
    case "comparison":
      return comparisonText(answer);
    case "verified":
      return verifiedText(answer);
    case "trace":
      return traceText(answer);
    case "curves":
      return curvesText(answer);
    case "evaluation":
      return answer.attacks === undefined ? resultText(answer) : listText(answer);
  }
}

const between = ([low, high]: readonly [number, number]) => `${percent(low)} to ${percent(high)}`;

const originText = ({ model, weights, data, seed }: EvalOrigin) =>
  `${model} (sha256 ${weights.slice(0, 12)}), ${data.name}, seed ${seed}`;

/** Attacks by themselves: a row each. */
function resultText(result: EvalResult): string {
  const head = ["attack", "threat", "images", "accuracy", "95 % interval", "time"];
  const rows = result.results.flatMap(({ attacks = [], ...whole }) => {
    const { attack, norm, eps, examples } = whole;
    const threat = [norm === null ? "" : `${norm} ${eps}`, count(examples)];
    const row = (name: string, of: Pick<typeof whole, "robustAccuracy" | "interval" | "seconds">) => [
      ...[name, ...threat, percent(of.robustAccuracy), between(of.interval), duration(of.seconds)],
    ];
    // A list of attacks has a row for what each of them left of what those before it had left.
    return [row(attack, whole), ...attacks.map((each) => row(`  after ${each.attack}`, each))];
  });
  return [
    table([head, ...rows], [2, 3, 4, 5]),
    ...stoppedLines(result),
    ...checkLines(result),
    ...besideText(result),
    originText(result),
    ...(result.record === undefined ? [] : [`record: ${result.record}`]),
  ].join("\n");
}

/** How far an evaluation came that was stopped. */
function stoppedLines({ status, robustAccuracy, examples, record }: EvalResult): string[] {
  if (status !== "stopped") return [];
  const known =
    robustAccuracy === undefined || examples === undefined
      ? "nothing is known yet"
      : `robust accuracy is at most ${percent(robustAccuracy)} on ${count(examples)} images`;
  return [`stopped: ${known}`, ...(record === undefined ? [] : ["repeat the command to go on"])];
}

const checkLines = ({ checks = [] }: EvalResult) => checks.map(({ severity, message }) => `${severity}: ${message}`);

/** Distances, and the files that lie beside a record. */
function besideText({ minimumNorm: found, claim, files, record = "" }: EvalResult): string[] {
  const lines: string[] = [];
  if (found !== undefined) {
    const missed = found.distances.filter((distance) => distance === null).length;
    const [first, last] = [found.indices[0], found.indices.at(-1)];
    lines.push(
      `${found.attack}, images ${first} to ${last}: robust ${percent(found.robustAccuracy)} above ${found.norm} ${found.eps} ` +
        `(${between(found.interval)}), median distance ${found.medianDistance?.toPrecision(3) ?? "unknown"}` +
        (missed === 0 ? "" : `, ${count(missed)} without a misclassified point`),
    );
  }
  if (files?.curve !== undefined)
    lines.push(`curve: ${join(record, files.curve.svg)}, ${join(record, files.curve.png)}`);
  if (files?.claim !== undefined) lines.push(`claim: ${join(record, files.claim)}`);
  else if (claim !== undefined) lines.push("", claim);
  if (files?.robustbench !== undefined) lines.push(`RobustBench entry: ${join(record, files.robustbench)}`);
  return lines;
}

function curvesText({ curves, norm, files }: CurvesResult): string {
  const head = ["network", "attack", "images", "clean", "eps", "robust", "95 % interval", "median distance"];
  const rows = curves.map(
    ({ name, attack, examples, cleanAccuracy, eps, robustAccuracy, interval, medianDistance }) => [
      ...[name, attack, count(examples), percent(cleanAccuracy), `${norm} ${eps}`, percent(robustAccuracy)],
      ...[between(interval), medianDistance?.toPrecision(3) ?? "unknown"],
    ],
  );
  return [table([head, ...rows], [2, 3, 5, 6, 7]), `curves: ${files.svg}, ${files.png}`].join("\n");
}

/** A list: what each attack left of what those before it had left. */
function listText(result: EvalResult): string {
  const { attacks = [], cleanAccuracy = 0, cleanInterval = [0, 1], examples = 0, verdict } = result;
  const own = attacks.some(({ alone }) => alone !== undefined);
  const head = ["after", "tried", "broken", "robust", "95 % interval", "time", ...(own ? ["alone"] : [])];
  const clean = [
    "clean",
    count(examples),
    "",
    percent(cleanAccuracy),
    between(cleanInterval),
    "",
    ...(own ? [""] : []),
  ];
  const skipped = attacks.filter((each) => each.skipped === true);
  const ran = attacks.filter((each) => each.skipped !== true);
  const rows = ran.map(({ attack, tried, broken, robustAccuracy, interval, seconds, alone }) => [
    attack,
    count(tried),
    count(broken),
    percent(robustAccuracy),
    between(interval),
    duration(seconds),
    ...(alone === undefined ? [] : [percent(alone)]),
  ]);
  const { warmStart, record } = result;
  return [
    table([head, clean, ...rows], [1, 2, 3, 4, 5, 6]),
    ...stoppedLines(result),
    ...checkLines(result),
    ...(warmStart
      ? [`warm start: ${count(warmStart.spared)} of ${count(warmStart.tried)} images spared the attacks`]
      : []),
    ...(verdict
      ? [`${verdict.question}: ${verdict.answer ? "yes" : "no"}, robust accuracy is at most ${percent(verdict.bound)}`]
      : []),
    ...(skipped.length > 0 ? [`not run: ${skipped.map(({ attack }) => attack).join(", ")}`] : []),
    ...besideText(result),
    `${result.preset}, ${result.norm} eps ${result.eps}, ${count(examples)} images`,
    originText(result),
    ...(record === undefined ? [] : [`record: ${record}`]),
  ].join("\n");
}

function traceText({
  attack,
  steps,
  examples,
  robustAccuracy,
  cleanAccuracy,
  file,
  tensors,
  ...rest
}: TraceResult): string {
  const rows = Object.entries(tensors).map(([name, shape]) => [name, `[${shape.join(", ")}]`]);
  return [
    `${attack}, ${steps} steps, ${count(examples)} images: clean ${percent(cleanAccuracy)}, robust ${percent(robustAccuracy)}`,
    table([["tensor", "shape"], ...rows]),
    originText(rest),
    file,
  ].join("\n");
}

const SHOWN = 10;

/** One sentence, one verdict. */
function verdictText({ holds, sameWeights, failures, robustAccuracy }: VerifyResult): string {
  const bound = percent(robustAccuracy);
  if (holds) return `the record holds: robust accuracy is at most ${bound}`;
  if (sameWeights) return "the record does not hold:";
  const points = `its points leave at most ${bound} of the images to these weights`;
  return `the record does not hold for this network, whose weights are not those of the record; ${points}${failures.length > 0 ? ":" : ""}`;
}

function verifiedText(result: VerifyResult): string {
  const { record, claimed, confirmed, failures, contradictions, examples, images } = result;
  const more = failures.length > SHOWN ? [`  and ${failures.length - SHOWN} more`] : [];
  return [
    `${record}: ${count(confirmed)} of ${count(claimed)} broken images confirmed, of ${count(examples)}`,
    verdictText(result),
    ...contradictions.map((contradiction) => `  ${contradiction}`),
    ...failures.slice(0, SHOWN).map(({ index, reason }) => `  image ${index}: ${reason}`),
    ...more,
    ...(images === "kept" ? ["the images are those that the record keeps, not compared with its data set"] : []),
  ].join("\n");
}

const P = (p: number) => (p < 0.0001 ? "below 0.0001" : p.toFixed(4));

function comparisonText(result: CompareResult): string {
  const { records, examples, robust, robustAccuracy, agreement, mcnemar, differences, left, onlyA, onlyB } = result;
  const some = (list: readonly number[]) => `${list.slice(0, 20).join(", ")}${list.length > 20 ? ", ..." : ""}`;
  return [
    `A ${records[0]}: robust ${percent(robustAccuracy.a)}`,
    `B ${records[1]}: robust ${percent(robustAccuracy.b)}`,
    table(
      [
        [`${count(examples)} images`, "robust in B", "broken in B"],
        ["robust in A", count(robust.both), count(robust.onlyA)],
        ["broken in A", count(robust.onlyB), count(robust.neither)],
      ],
      [1, 2],
    ),
    `same verdict on ${percent(agreement)}; McNemar (${mcnemar.method}) p = ${P(mcnemar.p)}`,
    ...(onlyA.length > 0 ? [`robust in A only: ${some(onlyA)}`] : []),
    ...(onlyB.length > 0 ? [`robust in B only: ${some(onlyB)}`] : []),
    ...(left.a + left.b > 0 ? [`images in one record only: ${left.a} in A, ${left.b} in B`] : []),
    ...differences.map((difference) => `note: ${difference}`),
  ].join("\n");
}
