import { label } from "./format.js";

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text as it may stand between tags and inside quoted attributes, of XML and of HTML. */
export function escapeXml(text: string): string {
  return label(text, 2000).replace(/[&<>"']/g, (character) => entities[character] ?? "");
}
