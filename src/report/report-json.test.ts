import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture, writeDistances } from "../../test/support/explained-fixture.js";
import { again, reader, type SourcedCell, type SourcedTable } from "../../test/support/report-sources.js";
import { collect } from "./collect.js";
import { csv } from "./csv.js";
import { reportDocument } from "./document.js";
import { tablesOf } from "./document-tables.js";
import { toHtml } from "./index.js";
import { reportJson } from "./report-json.js";

afterAll(removeFolders);

const folder = explainedFixture();
writeDistances(join(folder, "hydra", "evaluations", "curve"));
const data = collect([folder]);
const json = JSON.parse(reportJson(reportDocument(data), folder)) as { lead: string; tables: SourcedTable[] };
const html = toHtml(data);
const numbers = json.tables.flatMap(({ id, columns, rows }) =>
  rows.flatMap((row) => row.flatMap((cell, i) => (typeof cell === "string" ? [] : [{ id, column: columns[i], cell }]))),
);
const valuesOf = ({ value, low, high }: SourcedCell) => (value === undefined ? [low, high] : [value]) as number[];

describe("every number of a report", () => {
  test("is found in the files that it names", () => {
    const look = reader(folder);
    expect(numbers.length).toBeGreaterThan(400);
    for (const { id, column, cell } of numbers) {
      const values = valuesOf(cell);
      const found = again(cell, look);
      expect(found.length, `${id}: ${column}`).toBe(values.length);
      for (const [i, value] of values.entries()) expect(value, `${id}: ${column}`).toBeCloseTo(found[i] as number, 9);
    }
  });

  test("of a run alone, too", () => {
    const run = join(folder, "hydra-s2ap");
    const { tables } = JSON.parse(reportJson(reportDocument(collect([run])), folder)) as { tables: SourcedTable[] };
    const cells = tables.flatMap(({ rows }) => rows.flat()).filter((cell) => typeof cell !== "string");
    expect(new Set(cells.map(({ how }) => how))).toContain("wilson");
    for (const cell of cells) {
      const found = again(cell, reader(folder));
      for (const [i, value] of valuesOf(cell).entries()) expect(value, cell.text).toBeCloseTo(found[i] as number, 9);
    }
  });

  test("has sources of every kind, so that none goes untested", () => {
    const kinds = new Set(numbers.map(({ cell }) => cell.how));
    const above = ["above", "above-high", "above-low"];
    expect([...kinds].sort()).toEqual([...above, "difference", "jaccard", "newcombe", "read", "sum", "zeros"]);
    const files = new Set(
      numbers.flatMap(({ cell }) => cell.from.map((place) => place.replace(/[:#].*/, "").replace(/^.*\//, ""))),
    );
    const all = [
      "card.json",
      "distances.json",
      ...["epoch-0000.safetensors", "epoch-0003.safetensors", "epoch-0004.safetensors"],
      "events.jsonl",
      "landscape-line.json",
      "landscape.json",
      "masks.safetensors",
      "results.json",
      "sharpness.json",
    ];
    expect([...files].sort()).toEqual(all);
  });

  test("is shown as what it is", () => {
    for (const { id, cell } of numbers) {
      const parts = cell.text.replaceAll("−", "-").replaceAll(",", "").split(" to ");
      expect(parts.length).toBe(valuesOf(cell).length);
      for (const [i, value] of valuesOf(cell).entries()) {
        const [digits = "", exponent = "0"] = (parts[i] as string).split("e");
        const half = 0.5 * 10 ** (Number(exponent) - (digits.split(".")[1] ?? "").length);
        expect(Math.abs(Number(parts[i]) - value), `${id}: ${cell.text}`).toBeLessThanOrEqual(half * (1 + 1e-9));
      }
    }
  });

  test("on the page is one of these, but for counted epochs", () => {
    const texts = new Set(numbers.map(({ cell }) => cell.text));
    const counts = json.tables.flatMap(({ columns, rows }) => {
      const counted = columns.flatMap((head, i) => (/^Epochs?( done)?$/.test(head) ? [i] : []));
      return rows.flatMap((row) => counted.map((i) => row[i] as string));
    });
    const cells = [...html.matchAll(/<td class="num">(?:<strong>)?([^<]*)</g)].map(([, text]) => text as string);
    const shown = cells.filter((text) => /\d/.test(text));
    expect(shown.length).toBeGreaterThan(300);
    expect(shown.filter((text) => !texts.has(text) && !counts.includes(text))).toEqual([]);
    const list =
      /<section aria-labelledby="section-summary">[\s\S]*?<\/section>/.exec(html)?.[0].replace(/<h.*/g, "") ?? "";
    const summary = list
      .replace(/<[^>]*>|S2AP/g, "")
      .replaceAll("\u00a0", " ")
      .replace(/\(95 % interval (.*?) points\)/g, " $1. ");
    const inSummary = [...summary.matchAll(/−?\d[\d.,]* to −?\d[\d.]*\d|−?\d(?:[\d.,]*\d)?/g)].map(([text]) => text);
    expect(inSummary.length).toBeGreaterThanOrEqual(11);
    const said = [...json.lead.matchAll(/\(([\d.]+) %\)/g)].map(([, text]) => text as string);
    expect(said.length).toBeGreaterThan(3);
    said.push(...inSummary);
    expect(said.filter((text) => !texts.has(text))).toEqual([]);
  });

  test("is missed when the file says otherwise", () => {
    const other = explainedFixture();
    const before = JSON.parse(reportJson(reportDocument(collect([other])), other)) as { tables: SourcedTable[] };
    writeFileSync(`${other}/hydra/landscape.json`, JSON.stringify({ losses: [[0]] }));
    const cells = before.tables.flatMap(({ rows }) => rows.flat()).filter((cell) => typeof cell !== "string");
    const wrong = cells.filter((cell) => again(cell, reader(other))[0] !== valuesOf(cell)[0]);
    expect(wrong.some(({ from }) => from[0]?.startsWith("hydra/landscape.json#/losses/0/1"))).toBe(true);
  });

  test("stands in the CSV files with all its digits", () => {
    for (const { table, id } of tablesOf(reportDocument(data))) {
      const rows = json.tables.find((entry) => entry.id === id)?.rows ?? [];
      const lines = csv(table).split("\r\n").slice(1, -1);
      expect(lines.length).toBe(rows.length);
      for (const [i, row] of rows.entries()) {
        const values = row.flatMap((cell) => (typeof cell === "string" ? [] : valuesOf(cell)));
        const fields = (lines[i] as string).split(",").map(Number);
        for (const value of values)
          expect(fields.some((field) => Math.abs(field - value) <= 1e-14 * Math.abs(value))).toBe(true);
      }
    }
  });
});
