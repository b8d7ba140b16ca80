import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { removeFolders } from "../../test/support/experiment-fixture.js";
import { explainedFixture } from "../../test/support/explained-fixture.js";
import { collect, toHtml } from "./index.js";

afterAll(removeFolders);

test.skipIf(process.platform !== "linux")("a report loads no libtorch: it opens where none is built", () => {
  expect(toHtml(collect([explainedFixture()]))).toContain("</html>");
  expect(readFileSync("/proc/self/maps", "utf8")).not.toContain("libtorch");
});
