import { describe, expect, test } from "vitest";
import { figures, type Table, words } from "./blocks.js";
import { csv, csvText } from "./csv.js";

const origin = { how: "read", from: [] } as const;
const number = (text: string, ...values: number[]) => ({ text, values, origin, times: 1 });

describe("csv", () => {
  test("writes numbers with all digits, intervals in two columns, and nothing for what is missing", () => {
    const table: Table = {
      caption: "t",
      columns: [words("Name"), figures("a, %"), { ...figures("interval"), group: "b" }],
      rows: [
        ["x", number("33.3", 100 / 3), number("1 to 2", 1.25, 2)],
        ['say "y"', number("−0.5", -0.5), "–"],
        ["z", "–", "–"],
      ],
    };
    expect(csv(table)).toBe(
      'Name,"a, %","b: interval, low","b: interval, high"\r\n' +
        'x,33.3333333333333,1.25,2\r\n"say ""y""",-0.5,,\r\nz,,,\r\n',
    );
  });

  test.each(["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "＝1", '=HYPERLINK("http://x","y")', "-cmd|' /C calc'!A0"])(
    "lets no spreadsheet run %j",
    (text) => {
      const field = csvText(text).replace(/^"/, "");
      expect(field.startsWith("'") || !/^[=+\-@\t\r＝＋－＠]/.test(field)).toBe(true);
      expect(field).toMatch(/^['=]/);
      expect(field).not.toMatch(/^=/);
    },
  );

  test("leaves numbers and plain names as they are, and breaks no line", () => {
    expect(["-1.5", "+2", "hydra-s2ap", "a\r\nb", "a,b"].map(csvText)).toEqual([
      "-1.5",
      "'+2",
      "hydra-s2ap",
      "a b",
      '"a,b"',
    ]);
  });
});
