import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";

/** Debian's; .ci/run installs it. */
const CHROMIUM = "/usr/bin/chromium";

/** Tests may be left out where there is none, and are then counted as skipped; never in CI. */
export const withoutBrowser = !existsSync(CHROMIUM) && process.env.CI === undefined;

/** The page as scripts/bootstrap builds it. */
export const builtPage = fileURLToPath(new URL("../../dist/dashboard/page", import.meta.url));

export interface Browser {
  /** A new page, of an address or a file's URL, of which everything that should not be is noted. */
  open(address: string): Promise<Page>;
  /** Errors of all pages so far: of the console, of scripts, requests to other hosts. Empty in a sound page. */
  readonly faults: string[];
  close(): Promise<void>;
}

/** Headless Chromium with a profile of its own; pages may only speak with this machine, and what else they try is noted. */
export async function startBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) throw new Error(`expected ${CHROMIUM}; install it with apt-get install chromium`);
  if (!existsSync(builtPage)) throw new Error(`expected the built page in ${builtPage}; run scripts/bootstrap`);
  const profile = mkdtempSync(join(tmpdir(), "s2ap-chromium-"));
  const context: BrowserContext = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width: 1280, height: 900 },
    args: [
      ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
      ...["--disable-component-update", "--disable-sync"],
    ],
  });
  context.setDefaultTimeout(60_000);
  const faults: string[] = [];
  const files = new Set<string>();
  await context.route(
    (url) => url.hostname !== "127.0.0.1" && !files.has(url.href),
    (route) => {
      faults.push(`request to ${route.request().url()}`);
      return route.abort();
    },
  );
  return {
    faults,
    async open(address) {
      const page = await context.newPage();
      page.on("console", (message) => {
        if (message.type() === "error" || message.type() === "warning") faults.push(`console: ${message.text()}`);
      });
      page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
      page.on("dialog", (dialog) => {
        faults.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      if (address.startsWith("file:")) files.add(address);
      await page.goto(address);
      return page;
    },
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
