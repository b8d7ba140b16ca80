// For tests of the live page in a real browser.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Dashboard, startDashboard } from "../../src/dashboard/index.js";
import { type Browser, builtPage, startBrowser, withoutBrowser } from "./browser.js";

export const inBrowser = test.skipIf(withoutBrowser);

/** Waits for what should become true, on a slow machine too. */
export const soon = <T>(of: () => Promise<T>) => expect.poll(of, { timeout: 60_000, interval: 50 });

/** A server over a folder of runs, both new for each test of the file that calls this. */
export class LivePage {
  browser!: Browser;
  root = "";
  dashboard!: Dashboard;
  #page: Page | undefined;

  constructor() {
    beforeAll(async () => {
      if (!withoutBrowser) this.browser = await startBrowser();
    });
    afterAll(async () => {
      if (!withoutBrowser) await this.browser.close();
    });
    beforeEach(async () => {
      this.root = mkdtempSync(join(tmpdir(), "s2ap-page-"));
      await this.start();
    });
    afterEach(async () => {
      await this.#page?.close();
      this.#page = undefined;
      await this.dashboard.close();
      rmSync(this.root, { recursive: true, force: true });
      expect(this.browser.faults.splice(0)).toEqual([]);
    });
  }

  /** Starts the server, at a port of its own choice or a given one. */
  async start(port = 0): Promise<void> {
    this.dashboard = await startDashboard([this.root], { port, page: builtPage, pollMs: 50 });
  }

  async open(hash = ""): Promise<Page> {
    this.#page = await this.browser.open(this.dashboard.url + hash);
    return this.#page;
  }
}
