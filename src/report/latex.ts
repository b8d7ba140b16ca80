// Tables as LaTeX (booktabs), one `table` float each, to be \input. Text is escaped for text mode; what pdfTeX with its usual
// Latin fonts cannot print is written as its code point, so that any name compiles.
import { type Cell, type Column, cellText, headSpans, type Table } from "./blocks.js";
import { label, missing } from "./format.js";

const commands: Readonly<Record<string, string>> = {
  "\\": "\\textbackslash{}",
  "{": "\\{",
  "}": "\\}",
  $: "\\$",
  "&": "\\&",
  "#": "\\#",
  _: "\\_",
  "%": "\\%",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  // There is no command for it in OT1, LaTeX's usual encoding.
  '"': "\\symbol{34}",
  "'": "\\textquotesingle{}",
  "`": "\\textasciigrave{}",
  // After a line's end a bracket would be read as its option.
  "[": "{[}",
  "]": "{]}",
  // And a star as part of the end.
  "*": "{*}",
  "−": "$-$",
  "–": "--",
  "—": "---",
  "→": "$\\rightarrow$",
  "×": "$\\times$",
  "·": "$\\cdot$",
  "✓": "$\\surd$",
  "✗": "$\\times$",
  "…": "\\ldots{}",
  "\u00a0": "~",
  λ: "$\\lambda$",
  γ: "$\\gamma$",
  "²": "\\textsuperscript{2}",
};

/** Text as it may stand in a paragraph, a caption or a cell. */
export function escapeLatex(text: string): string {
  const characters = [...label(text, 2000)];
  return characters
    .map((character, index) => {
      // Two would print as one dash.
      if (character === "-" && characters[index + 1] === "-") return "-{}";
      if (Object.hasOwn(commands, character)) return commands[character];
      // Eth and thorn are not in OT1.
      if (/[\u0020-\u007e\u00c0-\u00ff]/.test(character) && !/[ÐÞðþ÷]/.test(character)) return character;
      return `{[}U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}{]}`;
    })
    .join("");
}

function cellLatex(cell: Cell): string {
  const text = cellText(cell);
  const escaped = text === missing ? "--" : escapeLatex(text);
  return typeof cell !== "string" && cell.best ? `\\textbf{${escaped}}` : escaped;
}

/** Columns before the first number that repeat the cell above are left empty, as in print. */
function quiet(rows: readonly (readonly Cell[])[], groups: number): (readonly Cell[])[] {
  return rows.map((row, index) => {
    const above = rows[index - 1];
    let same = above !== undefined;
    return row.map((cell, column) => {
      same = same && column < groups && above !== undefined && cellText(cell) === cellText(above[column] ?? "");
      return same ? "" : cell;
    });
  });
}

const HEAD_WIDTH = 12;

/** A head of several words on lines of their own, so that it does not make its column wider than the numbers are. */
function headLatex({ head, align }: Column): string {
  const parts: string[] = [];
  for (const word of head.split(" ")) {
    const last = parts.at(-1);
    if (last !== undefined && last.length + word.length < HEAD_WIDTH) parts[parts.length - 1] = `${last} ${word}`;
    else parts.push(word);
  }
  const escaped = parts.map(escapeLatex).join("\\\\");
  return parts.length === 1 ? escaped : `\\shortstack[${align === "right" ? "r" : "l"}]{${escaped}}`;
}

/** What a tabular is put in: as wide as it is, or shrunk where it is wider than the lines around it. */
const fitted = "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}";

/**
 * A table; `id` becomes its label. Heads of the form `group: column` that stand side by side share a line over them, with
 * the group's name. A table wider than the text is shrunk. More rows than fit on a page go into a longtable, in small letters.
 */
export function latex(id: string, table: Table): string {
  const { caption, columns, groups = 0 } = table;
  const format = columns.map(({ align }) => (align === "right" ? "r" : "l")).join("");
  const line = (cells: readonly string[]) => `${cells.join(" & ")} \\\\`;
  const grouped = groupLine(columns);
  const head = [...grouped, line(columns.map(headLatex))];
  const body = quiet(table.rows, groups).map((row) => line(row.map(cellLatex)));
  const named = `\\caption{${escapeLatex(caption)}}\\label{tab:${id}}`;
  if (body.length > MOST_ROWS) {
    const parts = [
      `{\\footnotesize${NARROW}\\begin{longtable}{${format}}`,
      `${named}\\\\`,
      "\\toprule",
      ...head,
      "\\midrule",
      "\\endhead",
    ];
    return lines([...parts, "\\bottomrule", "\\endfoot", ...body, "\\end{longtable}}"], "booktabs, longtable");
  }
  const inner = [`${fitted}{\\begin{tabular}{${format}}`, "\\toprule", ...head, "\\midrule", ...body, "\\bottomrule"];
  const parts = ["\\begin{table}", `\\centering\\small${NARROW}`, named, ...inner, "\\end{tabular}}", "\\end{table}"];
  return lines(parts, "booktabs, graphicx");
}

const MOST_ROWS = 40;
const NARROW = "\\setlength{\\tabcolsep}{4pt}";

const lines = (parts: readonly string[], packages: string) =>
  [`% needs: textcomp, ${packages}; from s2ap report`, ...parts, ""].join("\n");

/** Group names over the columns that share them, and rules beneath. */
function groupLine(columns: readonly Column[]): string[] {
  let from = 1;
  const spans = headSpans(columns).map(({ group, length }) => {
    from += length;
    return { group, length, rule: `\\cmidrule(lr){${from - length}-${from - 1}}` };
  });
  if (spans.length === 0) return [];
  const cells = spans.map(({ group, length }) => `\\multicolumn{${length}}{c}{${escapeLatex(group)}}`);
  return [`${cells.join(" & ")} \\\\`, spans.flatMap(({ group, rule }) => (group === "" ? [] : [rule])).join(" ")];
}
