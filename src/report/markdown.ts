import { type Block, type Cell, cellText, fullHead, onPage, type ReportDocument, type Table } from "./blocks.js";
import type { ImageExample } from "./data.js";
import { label } from "./format.js";

/** Text that Markdown shows as it is: no tags, no markup, one line. */
export function escapeMarkdown(text: string): string {
  return label(text, 2000)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/[\\`*_{}[\]|~]/g, "\\$&")
    .replace(/^(#|>|[-+] |\d+[.)] )/, "\\$1");
}

/** The report as GitHub-flavoured Markdown; charts are told in numbers, and shown where they lie beside it. */
export function markdown(report: ReportDocument): string {
  const parts = [
    `# ${escapeMarkdown(report.title)}`,
    escapeMarkdown(report.lead),
    ...report.notices.map((notice) => `> **Note:** ${escapeMarkdown(notice)}`),
  ];
  for (const section of report.sections) {
    parts.push(`## ${escapeMarkdown(section.title)}`, ...section.blocks.flatMap(blockParts));
  }
  return `${parts.join("\n\n")}\n`;
}

function blockParts(block: Block): string[] {
  switch (block.kind) {
    case "text":
      return [escapeMarkdown(block.text)];
    case "heading":
      return [`### ${escapeMarkdown(block.text)}`];
    case "list":
      return [block.items.map((item) => `- ${escapeMarkdown(item)}`).join("\n")];
    case "table":
      return tableParts(block.table);
    case "charts":
      return [
        ...(block.charts.length === 0
          ? []
          : [block.charts.map((chart) => `- ${escapeMarkdown(chart.alt)}`).join("\n")]),
        ...block.charts.flatMap(({ title, file }) =>
          file === undefined ? [] : [`![${escapeMarkdown(title)}](${encodeURIComponent(file)})`],
        ),
        ...(block.numbers === null ? [] : tableParts(block.numbers)),
      ];
    case "images":
      return tableParts(predictions(block.grid.examples));
    case "code":
      return [`**${escapeMarkdown(block.summary)}**`, fenced(block.text)];
  }
}

/** A fence longer than any in the text, so that the text cannot close it. */
function fenced(text: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = "`".repeat(longest + 1);
  return `${fence}yaml\n${text.trimEnd()}\n${fence}`;
}

function cellMarkdown(cell: Cell): string {
  const text = escapeMarkdown(cellText(cell));
  return typeof cell !== "string" && cell.best ? `**${text}**` : text;
}

/** The caption, then the table with its columns padded so that the text reads as a table too. */
function tableParts(table: Table): string[] {
  const { caption, columns, rows } = onPage(table);
  const cells = [columns.map(fullHead), ...rows].map((row) => row.map(cellMarkdown));
  const widths = columns.map((_, index) => Math.max(3, ...cells.map((row) => [...(row[index] ?? "")].length)));
  const pad = (text: string, index: number) => {
    const room = " ".repeat((widths[index] ?? 0) - [...text].length);
    return columns[index]?.align === "right" ? room + text : text + room;
  };
  const line = (row: readonly string[]) => `| ${row.map(pad).join(" | ")} |`;
  const rule = columns.map(({ align }, index) => {
    const dashes = "-".repeat((widths[index] ?? 0) - (align === "right" ? 1 : 0));
    return align === "right" ? `${dashes}:` : dashes;
  });
  const [head = [], ...body] = cells;
  return [`**${escapeMarkdown(caption)}**`, [line(head), `| ${rule.join(" | ")} |`, ...body.map(line)].join("\n")];
}

/** The image grid in words: what every network sees, clean -> attacked. */
export function predictions(examples: readonly ImageExample[]): Table {
  const names = [...new Set(examples.flatMap((example) => example.predictions.map(({ row }) => row)))];
  return {
    caption: "Predictions, clean → attacked (the pictures are in the HTML report)",
    columns: ["Image", "Label", ...names].map((head) => ({ head, align: "left" })),
    rows: examples.map((example, index) => [
      String(index + 1),
      example.label,
      ...names.map((name) => {
        const found = example.predictions.find(({ row }) => row === name);
        if (found === undefined) return "–";
        const mark = (right: boolean) => (right ? "✓" : "✗");
        return `${found.clean} ${mark(found.cleanRight)} → ${found.adversarial} ${mark(found.adversarialRight)}`;
      }),
    ]),
  };
}
