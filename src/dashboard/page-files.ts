import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { allColours, type Colour } from "../report/palette.js";
import { S2apError } from "../util/index.js";

/** A file of the page. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Its name holds a hash of its contents. */
  readonly lasting: boolean;
}

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const builtPage = () => fileURLToPath(new URL("./page", import.meta.url));

/** The palette of reports as variables: one place says what colours there are. */
export function paletteCss(): string {
  const variables = (shade: (colour: Colour) => string) =>
    allColours.map((each) => `--${each.name}:${shade(each)}`).join(";");
  const light = variables((each) => each.light);
  const dark = variables((each) => each.dark);
  return `:root{color-scheme:light dark;${light}}\n@media (prefers-color-scheme:dark){:root{${dark}}}\n`;
}

const file = (name: string, bytes: Uint8Array, lasting: boolean): PageFile => ({
  type: TYPES[extname(name)] ?? "application/octet-stream",
  bytes: new Uint8Array(bytes),
  lasting,
});

/** The files of the built page by address, all in memory: no request names a path on disk. */
export function pageFiles(folder = builtPage()): ReadonlyMap<string, PageFile> {
  const index = join(folder, "index.html");
  if (!existsSync(index)) {
    const message = `dashboard: expected the built page in ${folder}, got no index.html; run scripts/bootstrap or npm run build`;
    throw new S2apError(message, { code: "dashboard/not-built" });
  }
  const files = new Map<string, PageFile>([["/", file(index, readFileSync(index), false)]]);
  files.set("/palette.css", file("palette.css", Buffer.from(paletteCss()), false));
  const assets = join(folder, "assets");
  for (const name of existsSync(assets) ? readdirSync(assets) : []) {
    files.set(`/assets/${name}`, file(name, readFileSync(join(assets, name)), true));
  }
  return files;
}
