#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = ["dist/cli/main.js", "build/Release/s2ap.node"];
const missing = built.filter((file) => !existsSync(fileURLToPath(new URL(`../${file}`, import.meta.url))));
if (missing.length > 0) {
  const script = fileURLToPath(new URL("../scripts/bootstrap", import.meta.url));
  process.stderr.write(`s2ap: expected a finished build, found no ${missing.join(" and no ")}; run ${script}\n`);
  process.exitCode = 1;
} else {
  const { main } = await import("../dist/cli/main.js");
  process.exitCode = await main(process.argv.slice(2));
}
