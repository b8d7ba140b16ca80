// Runs vitest once, with the arguments given here, and ends with the line `N passed, N failed` (and `, N skipped`).
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "s2ap-tests-"));
const file = join(folder, "counts.json");

const vitest = spawn(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    "--reporter=default",
    `--reporter=${join(root, "scripts/test-counts.js")}`,
    ...process.argv.slice(2),
  ],
  {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, S2AP_TEST_COUNTS: file, S2AP_DIST_BUILT: "1" },
  },
);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => vitest.kill(signal));

vitest.on("close", (code) => {
  const { passed, failed, skipped } = counts();
  // vitest can fail although each test passed: nothing matched the arguments, a worker died, it was stopped.
  const failures = code === 0 || failed > 0 ? failed : 1;
  process.stdout.write(`${passed} passed, ${failures} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = failures > 0 ? 1 : 0;
});

function counts() {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { passed: 0, failed: 0, skipped: 0 };
  }
}
