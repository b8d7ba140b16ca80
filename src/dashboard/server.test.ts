// The server itself: which addresses it listens on, and when it asks for a token.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Dashboard, type DashboardOptions, startDashboard } from "./server.js";

let top = "";
const open: Dashboard[] = [];
beforeAll(() => {
  top = mkdtempSync(join(tmpdir(), "s2ap-server-"));
  mkdirSync(join(top, "runs"));
  mkdirSync(join(top, "page"));
  writeFileSync(join(top, "page/index.html"), "<p>page</p>");
});
afterEach(async () => {
  for (const dashboard of open.splice(0)) await dashboard.close();
});
afterAll(() => rmSync(top, { recursive: true, force: true }));

async function start(options: DashboardOptions = {}): Promise<Dashboard> {
  const dashboard = await startDashboard([join(top, "runs")], { port: 0, page: join(top, "page"), ...options });
  open.push(dashboard);
  return dashboard;
}

/** Whether something accepts connections there. */
function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once("connect", () => socket.end(() => resolve(true)));
    socket.once("error", () => resolve(false));
  });
}

/** Another address of this machine, that others may reach it by. */
const outer = Object.values(networkInterfaces())
  .flatMap((list) => list ?? [])
  .find(({ internal, family }) => !internal && family === "IPv4")?.address;
/** On Linux all of 127/8 is this machine, but only one address of it is the default. */
const others = [...(outer === undefined ? [] : [outer]), ...(process.platform === "linux" ? ["127.0.0.2"] : [])];

describe("startDashboard", () => {
  test("listens on the loopback alone by default, without a token", async () => {
    const { url, token, port } = await start();
    expect([url, token]).toEqual([`http://127.0.0.1:${port}/`, undefined]);
    expect((await fetch(`${url}api/runs`)).status).toBe(200);
    for (const host of others) expect([host, await listens(host, port)]).toEqual([host, false]);
  });

  test("on another address asks for a token, which is new at each start", async () => {
    const first = await start({ host: "0.0.0.0" });
    const second = await start({ host: "0.0.0.0" });
    expect(first.token).toMatch(/^[\w-]{32}$/);
    expect(second.token).not.toBe(first.token);
    expect(first.url).toBe(`http://0.0.0.0:${first.port}/?token=${first.token}`);
    for (const host of others) {
      expect([host, await listens(host, first.port)]).toEqual([host, true]);
      const ask = async (headers: Record<string, string>) =>
        (await fetch(`http://${host}:${first.port}/api/runs`, { headers })).status;
      expect(await ask({})).toBe(401);
      expect(await ask({ authorization: `Bearer ${second.token}` })).toBe(401);
      expect(await ask({ authorization: `Bearer ${first.token}` })).toBe(200);
    }
  });

  test("says what to do about a port that is taken and an address that is not there", async () => {
    const { port } = await start();
    await expect(start({ port })).rejects.toThrow(
      `dashboard: expected port ${port} to be free, got another program on it; choose one with --port`,
    );
    await expect(start({ host: "192.0.2.1" })).rejects.toThrow(
      'dashboard: expected --host to be an address of this machine, got "192.0.2.1"',
    );
  });
});
