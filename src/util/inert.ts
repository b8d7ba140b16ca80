// Text from files that nobody vouches for, made safe to print: a terminal obeys control characters, and marks of writing
// direction let a text read as another one.

/** Control and format characters, line and paragraph separators, halves of characters. */
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Shows control characters and the like as escapes: `\x1b`, `\u{202e}`. */
export function inert(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.codePointAt(0) as number;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** The same for a text of several lines, whose line ends stay. */
export function inertLines(text: string): string {
  return text.split("\n").map(inert).join("\n");
}

/** JSON that means the same, with those characters escaped; line ends, which JSON has only between values, stay. */
export function inertJson(json: string): string {
  return json.replace(UNSAFE, (character) =>
    character === "\n"
      ? character
      : Array.from({ length: character.length }, (_, i) => escaped(character.charCodeAt(i))).join(""),
  );
}

const escaped = (unit: number) => `\\u${unit.toString(16).padStart(4, "0")}`;
