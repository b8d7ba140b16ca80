#!/usr/bin/env node
// npm run bench [-- --only NAME ... --pairs N --json --list]: time the cases, print a table, write bench/results.json.

import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { MIN_PAIRS, measure } from "./harness.js";

const HELP = `Usage: npm run bench -- [options]

Compares two things at a time in one run, in turns, on 2 threads, and writes bench/results.json.

  --only NAME   only cases or rows whose name contains NAME (may be repeated); other rows of results.json stay
  --pairs N     pairs of turns per case (default ${MIN_PAIRS}; fewer decide nothing)
  --json        print the rows as JSON instead of a table
  --list        print the names and end
  --help

Examples:
  npm run bench -- --only training-step
  npm run bench -- --only s2ap-overhead-16 --pairs 9 --json`;

const RESULTS = fileURLToPath(new URL("results.json", import.meta.url));

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      pairs: { type: "string", default: String(MIN_PAIRS) },
      json: { type: "boolean", default: false },
      list: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const pairs = Number(values.pairs);
  if (!Number.isInteger(pairs) || pairs < 1) throw usage(`bench: expected --pairs of at least 1, got ${values.pairs}`);
  return { ...values, pairs };
}

function usage(message) {
  return Object.assign(new Error(message), { code: "usage" });
}

/** Every case of bench/cases, one file a case or a family of cases. */
async function allCases() {
  const folder = new URL("cases/", import.meta.url);
  const files = readdirSync(folder).filter((file) => file.endsWith(".js"));
  const modules = await Promise.all(files.sort().map((file) => import(new URL(file, folder).href)));
  return modules.flatMap((module) => module.default);
}

/** Cases with at least one wanted row, and only those rows. */
function select(cases, only) {
  if (!only) return cases;
  const names = cases.flatMap((benchCase) => benchCase.rows.map((row) => row.name));
  for (const part of only)
    if (!names.some((name) => name.includes(part)))
      throw usage(`bench: expected --only to be part of ${names.join(", ")}, got ${part}`);
  return cases
    .map((each) => ({ ...each, rows: each.rows.filter((row) => only.some((part) => row.name.includes(part))) }))
    .filter((each) => each.rows.length > 0);
}

/** Rows that were not measured now keep their last numbers; each row says when it was measured. */
function write(rows, cases) {
  let before = [];
  try {
    before = JSON.parse(readFileSync(RESULTS, "utf8"));
  } catch {
    // no results yet, or unreadable ones, which are replaced
  }
  const known = new Map([...before, ...rows].map((row) => [row.name, row]));
  const ordered = cases.flatMap((each) => each.rows.map((row) => known.get(row.name)).filter(Boolean));
  writeFileSync(`${RESULTS}.tmp`, `${JSON.stringify(ordered, null, 2)}\n`);
  renameSync(`${RESULTS}.tmp`, RESULTS);
}

function table(rows) {
  const head = ["case", "peer", "goal", "ratio", "of pairs", "cpu ratio", "ours s/step", "theirs s/step", "holds"];
  const out = new Table({ head, style: { head: [], border: [] } });
  for (const row of rows) {
    const goal = `${row.bound === "atMost" ? "<=" : ">="} ${row.goal}`;
    const holds = row.holds === null ? "undecided" : row.holds ? "yes" : "NO";
    if (row.ratio === null) out.push([row.name, row.peer, goal, "-", "-", "-", "-", "-", holds]);
    else
      out.push([
        row.name,
        row.peer,
        goal,
        row.ratio.toFixed(3),
        row.ratioSpread.map((x) => x.toFixed(3)).join(" .. "),
        row.cpuRatio.toFixed(3),
        side(row.ours),
        side(row.theirs),
        holds,
      ]);
  }
  const notes = rows.filter((row) => row.note).map((row) => `${row.name}: ${row.note}`);
  const legend =
    "A goal with <= is our time / theirs, with >= their time / ours; medians over pairs, smallest .. largest.";
  return [out.toString(), legend, ...notes].join("\n");
}

function side({ wallMedian, wallSpread, cpuMedian }) {
  return `${wallMedian.toFixed(3)} (${wallSpread.map((x) => x.toFixed(3)).join(" .. ")}), cpu ${cpuMedian.toFixed(3)}`;
}

async function main() {
  const { only, pairs, json, list, help } = options();
  if (help) return console.log(HELP);
  const cases = await allCases();
  const selected = select(cases, only);
  if (list) return console.log(selected.flatMap((each) => each.rows.map((row) => row.name)).join("\n"));
  const rows = [];
  for (const each of selected) {
    const measured = await measure(each, { pairs, progress: (line) => console.error(line) });
    rows.push(...measured.map((row) => ({ ...row, at: new Date().toISOString() })));
    write(rows, cases);
  }
  console.log(json ? JSON.stringify(rows, null, 2) : table(rows));
}

try {
  await main();
} catch (error) {
  console.error(error.message);
  process.exitCode = error.code === "usage" || String(error.code).startsWith("ERR_PARSE_ARGS") ? 2 : 1;
}
