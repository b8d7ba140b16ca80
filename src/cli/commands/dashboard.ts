import { networkInterfaces } from "node:os";
import { type Cli, command, printJson, whole } from "./context.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Resolves at the first signal that asks to stop; a second one ends the process as usual. */
function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      for (const signal of SIGNALS) process.off(signal, stop);
      resolve();
    };
    for (const signal of SIGNALS) process.on(signal, stop);
  });
}

/** The address as another machine can open it: that of this machine where it listens on all of its addresses. */
function reachable(url: string): string {
  const own = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  const address = own.find(({ family, internal }) => family === "IPv4" && !internal)?.address;
  return address === undefined ? url : url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=:)/, `//${address}`);
}

/** `s2ap dashboard`: a page that shows runs while they go on. */
export function dashboardCommand(cli: Cli, until: () => Promise<void> = untilSignal) {
  return command("dashboard", "Serve a page that shows runs and evaluations, live. Ctrl-C ends it.", [
    "s2ap dashboard runs",
    "s2ap dashboard runs/quickstart evals --port 8080",
    "s2ap dashboard runs --host 0.0.0.0              # for other machines: open the address with the token",
  ])
    .argument("<runs...>", "run folders, or folders with runs and records of evaluations somewhere below")
    .option("--port <n>", "port; 0 for any that is free; default 7227", whole)
    .option("--host <address>", "listen on this address instead of the loopback; a random token is then asked for")
    .action(async (runs, { port, host, json }) => {
      const { startDashboard } = await import("../../dashboard/index.js");
      const dashboard = await startDashboard(runs, {
        ...(port !== undefined && { port }),
        ...(host !== undefined && { host }),
        onError: (error) => cli.terminal.err(error.stack ?? error.message),
      });
      const { token } = dashboard;
      const url = reachable(dashboard.url);
      if (json === true) printJson(cli.terminal, { url, port: dashboard.port, token: token ?? null });
      else {
        cli.terminal.out(url);
        if (token !== undefined) cli.terminal.err("whoever has this address can read the runs; it is plain http");
        cli.terminal.err("Ctrl-C ends it; runs go on without it");
      }
      await until();
      await dashboard.close();
    });
}
