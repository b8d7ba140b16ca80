import { writeFileSync } from "node:fs";

/** A vitest reporter that writes `{ passed, failed, skipped }` to the file named by S2AP_TEST_COUNTS. */
export default class TestCounts {
  /** A file that could not be loaded and an error outside of any test count as one failure each. */
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        counts[state === "passed" || state === "failed" ? state : "skipped"] += 1;
      }
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    writeFileSync(process.env.S2AP_TEST_COUNTS, JSON.stringify(counts));
  }
}
