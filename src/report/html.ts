import {
  type Block,
  type Chart,
  cellText,
  headSpans,
  onPage,
  type ReportDocument,
  type Section,
  type Table,
} from "./blocks.js";
import type { ImageExample, ImageGrid, Prediction } from "./data.js";
import { chartsOf } from "./document-tables.js";
import { style } from "./html-style.js";
import { allColours, type Style } from "./palette.js";
import { surfaceAttributes, surfaceScript } from "./surface-script.js";
import { escapeXml } from "./xml.js";

/** Text as it may stand between tags and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return escapeXml(text).replace(/([\d,]) %/g, "$1\u00a0%");
}

/** One page with everything in it and nothing to fetch; the only script turns surfaces, where there are any. `styles` colours the rows' names in tables. */
export function html(report: ReportDocument, styles: ReadonlyMap<string, Style>): string {
  const title = escapeHtml(report.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="s2ap">
<title>${title}: adversarial pruning report</title>
<style>${style}</style>
</head>
<body>
<main>
<header>
<p class="kicker">Adversarial pruning report</p>
<h1>${title}</h1>
<p class="lead">${escapeHtml(report.lead)}</p>
${report.notices.map((notice) => `<p class="notice">${escapeHtml(notice)}</p>\n`).join("")}</header>
${report.sections.map((section) => sectionHtml(section, styles)).join("\n")}
<footer>Written by s2ap from the run folders alone. <span class="screen">Every chart's numbers are in the tables beneath it.</span><span class="paper">The page on a screen has tables of every chart's numbers, which are left out on paper.</span></footer>
</main>${chartsOf(report).some(({ surface }) => surface !== undefined) ? `\n<script>${surfaceScript}</script>` : ""}
</body>
</html>
`;
}

function sectionHtml(section: Section, styles: ReadonlyMap<string, Style>): string {
  const id = `section-${section.id}`;
  const body = section.blocks.map((block) => blockHtml(block, styles)).join("\n");
  return `<section aria-labelledby="${id}">\n<h2 id="${id}">${escapeHtml(section.title)}</h2>\n${body}\n</section>`;
}

function blockHtml(block: Block, styles: ReadonlyMap<string, Style>): string {
  switch (block.kind) {
    case "text":
      return `<p class="note">${escapeHtml(block.text)}</p>`;
    case "heading":
      return `<h3>${escapeHtml(block.text)}</h3>`;
    case "list":
      return `<ul>${block.items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
    case "table":
      return tableHtml(block.table, styles);
    case "charts": {
      const numbers =
        block.numbers === null
          ? ""
          : `\n<details><summary>${block.charts.length === 0 ? escapeHtml(onPage(block.numbers).caption) : "The numbers"}</summary>${tableHtml(block.numbers, styles)}</details>`;
      const turn = block.charts.some(({ surface }) => surface !== undefined)
        ? '\n<p class="note turn">Drag a surface to turn all of them, or use the arrow keys.</p>'
        : "";
      return `<div class="charts">${block.charts.map(chartHtml).join("\n")}</div>${turn}${numbers}`;
    }
    case "images":
      return imagesHtml(block.grid);
    case "code":
      return `<details><summary>${escapeHtml(block.summary)}</summary><pre>${block.text.split("\n").map(escapeLine).join("\n")}</pre></details>`;
  }
}

/** Keeps the indentation that `label` would trim. */
function escapeLine(line: string): string {
  const indent = /^ */.exec(line)?.[0] ?? "";
  return indent + escapeHtml(line);
}

function tableHtml(table: Table, styles: ReadonlyMap<string, Style>): string {
  const { caption, columns, rows } = onPage(table);
  const spans = headSpans(columns);
  const heads = columns.map(
    ({ head, align }) => `<th scope="col"${align === "right" ? ' class="num"' : ""}>${escapeHtml(head)}</th>`,
  );
  const groups = spans.map(({ group, length }) => {
    return group === ""
      ? `<td colspan="${length}"></td>`
      : `<th scope="colgroup" colspan="${length}" class="group">${escapeHtml(group)}</th>`;
  });
  const over = groups.length === 0 ? "" : `<tr>${groups.join("")}</tr>\n`;
  const lines = rows.map((cells) => {
    const all = cells.map((entry, index) => {
      const cell = cellText(entry);
      if (index === 0)
        return `<th scope="row"${cell.length <= 24 ? ' class="short"' : ""}>${swatch(styles.get(cell))}${escapeHtml(cell)}</th>`;
      const text = typeof entry !== "string" && entry.best ? `<strong>${escapeHtml(cell)}</strong>` : escapeHtml(cell);
      return `<td class="${columns[index]?.align === "right" ? "num" : "text"}">${text}</td>`;
    });
    return `<tr>${all.join("")}</tr>`;
  });
  const name = escapeHtml(caption);
  // A region that scrolls must be reachable by keyboard and have a name.
  return `<div class="scroll" role="region" aria-label="${name}" tabindex="0"><table><caption><span>${name}</span></caption>
<thead>${over}<tr>${heads.join("")}</tr></thead>
<tbody>${lines.join("\n")}</tbody></table></div>`;
}

function swatch(style: Style | undefined): string {
  return style === undefined
    ? ""
    : `<span class="swatch" style="background:var(--${style.colour.name})" aria-hidden="true"></span>`;
}

const byShade = new Map(allColours.map((colour) => [colour.light, colour.name]));

/** An SVG whose colours follow the page's, with its words for those who do not see it. */
function chartHtml(chart: Chart): string {
  const svg = chart
    .draw()
    .replace(/(fill|stroke)="(#[0-9a-f]{6})"/g, (whole, attribute: string, shade: string) => {
      const name = byShade.get(shade);
      return name === undefined ? whole : `${attribute}="var(--${name})"`;
    })
    // Inside HTML the name space is known, and the page names no address at all.
    .replace(/ xmlns(:\w+)?="[^"]*"/g, "")
    .replace(/^<svg width="(\d+)" height="(\d+)"/, (_, w: string, h: string) => {
      return `<svg width="${w}" height="${h}" role="img" aria-label="${escapeHtml(chart.alt)}"`;
    });
  const surface = chart.surface === undefined ? "" : ` ${surfaceAttributes(chart.surface)}`;
  return `<figure class="chart"${surface}><figcaption>${escapeHtml(chart.title)}</figcaption>${svg}</figure>`;
}

function imagesHtml(grid: ImageGrid): string {
  return `<div class="images">${grid.examples.map(exampleHtml).join("\n")}</div>`;
}

function exampleHtml(example: ImageExample, index: number): string {
  const picture = (kind: string, base64: string | null) => {
    const alt = `${example.label}, ${kind}`;
    const shown =
      base64 === null
        ? '<span class="blank">no picture</span>'
        : `<img src="data:image/png;base64,${base64}" width="96" height="96" alt="${escapeHtml(alt)}">`;
    return `<div>${shown}<span>${kind}</span></div>`;
  };
  const name = `Image ${index + 1}: ${escapeHtml(example.label)}`;
  return `<figure><figcaption>${name}</figcaption>
<div class="triple">${picture("clean", example.clean)}${picture("attacked", example.adversarial)}${picture("difference", example.difference)}</div>
${predictionsHtml(example.predictions, name)}</figure>`;
}

function predictionsHtml(predictions: readonly Prediction[], name: string): string {
  if (predictions.length === 0) return '<p class="note">No predictions were recorded.</p>';
  const cell = (text: string, right: boolean) => {
    const mark = right ? "✓" : "✗";
    return `<td class="${right ? "right" : "wrong"}">${escapeHtml(text)} <span role="img" aria-label="${right ? "right" : "wrong"}">${mark}</span></td>`;
  };
  const rows = predictions.map(
    (p) =>
      `<tr><th scope="row">${escapeHtml(p.row)}</th>${cell(p.clean, p.cleanRight)}${cell(p.adversarial, p.adversarialRight)}</tr>`,
  );
  return `<table aria-label="Predictions for ${name}"><thead><tr><th scope="col">Seen by</th><th scope="col">clean</th><th scope="col">attacked</th></tr></thead>
<tbody>${rows.join("")}</tbody></table>`;
}
