import { randomBytes } from "node:crypto";
import type { AddressInfo } from "node:net";
import { serve } from "@hono/node-server";
import { expected, S2apError, UsageError } from "../util/index.js";
import { type AppOptions, dashboardApp } from "./app.js";
import { pageFiles } from "./page-files.js";
import { workspace } from "./workspace.js";

export interface DashboardOptions extends Pick<AppOptions, "pollMs" | "mostStreams" | "onError"> {
  /** Address to listen on; default 127.0.0.1. Any other needs the token that is then made. */
  readonly host?: string;
  /** 0 for any free one; default 7227. */
  readonly port?: number;
  /** Folder of the built page; default that of this package. */
  readonly page?: string;
}

export interface Dashboard {
  /** To be opened in a browser; with the token where there is one. */
  readonly url: string;
  readonly token: string | undefined;
  readonly port: number;
  /** Ends all connections. */
  close(): Promise<void>;
}

export const DEFAULT_PORT = 7227;
const LOOPBACK = new Set(["127.0.0.1", "::1", "localhost"]);

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === "EADDRINUSE") {
    return new S2apError(
      `dashboard: expected port ${port} to be free, got another program on it; choose one with --port`,
      {
        code: "dashboard/port",
        cause: error,
      },
    );
  }
  if (error.code === "EACCES") {
    return new UsageError(
      `dashboard: expected a port that you may open, got ${port}; choose one above 1023 with --port`,
    );
  }
  if (error.code === "EADDRNOTAVAIL" || error.code === "ENOTFOUND" || error.code === "EAI_AGAIN") {
    return new UsageError(expected("dashboard", "--host to be an address of this machine", host));
  }
  return error;
}

/** Serves the pages of some run folders until it is closed. DataError where a folder is missing, UsageError for a bad address. */
export async function startDashboard(roots: readonly string[], options: DashboardOptions = {}): Promise<Dashboard> {
  const { host = "127.0.0.1", port = DEFAULT_PORT, page, ...rest } = options;
  const token = LOOPBACK.has(host) ? undefined : randomBytes(24).toString("base64url");
  const app = dashboardApp({ ...rest, workspace: workspace(roots), page: pageFiles(page), token });
  const server = serve({ fetch: app.fetch, hostname: host, port });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
  });
  const bound = (server.address() as AddressInfo).port;
  const shown = host.includes(":") ? `[${host}]` : host;
  const query = token === undefined ? "" : `?token=${token}`;
  return {
    url: `http://${shown}:${bound}/${query}`,
    token,
    port: bound,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        // Streams never end by themselves.
        if ("closeAllConnections" in server) server.closeAllConnections();
      }),
  };
}
