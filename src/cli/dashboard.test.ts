import { expect, test, vi } from "vitest";
import { fakeTerminal } from "../../test/support/fake-terminal.js";
import { dashboardCommand } from "./commands/dashboard.js";

vi.mock("node:os", async (original) => ({
  ...(await original<typeof import("node:os")>()),
  networkInterfaces: () => ({
    lo: [{ family: "IPv4", internal: true, address: "127.0.0.1" }],
    eth0: [
      { family: "IPv6", internal: false, address: "2001:db8::7" },
      { family: "IPv4", internal: false, address: "192.0.2.7" },
    ],
  }),
}));
vi.mock("../dashboard/index.js", () => ({
  startDashboard: async (_runs: unknown, { host }: { readonly host: string }) => ({
    ...{ url: `http://${host.includes(":") ? `[${host}]` : host}:7227/?token=abc`, token: "abc", port: 7227 },
    close: async () => {},
  }),
}));

async function addressFor(host: string) {
  const terminal = fakeTerminal();
  const cli = { terminal, work: async () => undefined, exitCode: 0 };
  await dashboardCommand(cli, async () => {}).parseAsync(["runs", "--host", host], { from: "user" });
  return terminal.outLines[0];
}

test("listening on all addresses, it names one that other machines can open", async () => {
  expect(await addressFor("0.0.0.0")).toBe("http://192.0.2.7:7227/?token=abc");
  expect(await addressFor("::")).toBe("http://192.0.2.7:7227/?token=abc");
  expect(await addressFor("127.0.0.2")).toBe("http://127.0.0.2:7227/?token=abc");
});
