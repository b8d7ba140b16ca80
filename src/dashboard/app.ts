import { type Context, Hono } from "hono";
import { S2apError } from "../util/index.js";
import { curveSummaries } from "./curves.js";
import { access, headers, limits, refuse } from "./guard.js";
import { landscapesOf } from "./landscapes.js";
import { maskDifferences } from "./masks.js";
import type { PageFile } from "./page-files.js";
import { PICTURES, type PictureKind } from "./pictures.js";
import { cardDetail, cardSummaries, openPictures, type Pictures, recordStamp } from "./records.js";
import { runImages, runPicture } from "./run-images.js";
import { sharpnessOf } from "./sharpness.js";
import { streams } from "./streams.js";
import type { Workspace } from "./workspace.js";

export interface AppOptions {
  readonly workspace: Workspace;
  readonly page: ReadonlyMap<string, PageFile>;
  /** Every request must bring it; without one, only loopback names are served. */
  readonly token?: string | undefined;
  /** Milliseconds between two looks at the disk for a stream; default 500. */
  readonly pollMs?: number;
  /** Streams at once; default 32. */
  readonly mostStreams?: number;
  /** Told of errors that nobody foresaw. */
  readonly onError?: (error: Error) => void;
}

const MOST_OPEN_RECORDS = 8;
const MOST_COMPARED = 12;

/** The newest few records that pictures were asked of. */
function pictureCache(workspace: Workspace) {
  const open = new Map<string, { readonly stamp: string; readonly pictures: Pictures }>();
  return (id: string): Pictures | undefined => {
    const found = workspace.record(id);
    if (found === undefined) return undefined;
    const stamp = recordStamp(found);
    const known = open.get(id);
    const pictures = known?.stamp === stamp ? known.pictures : openPictures(found);
    open.delete(id);
    open.set(id, { stamp, pictures });
    if (open.size > MOST_OPEN_RECORDS) open.delete(open.keys().next().value as string);
    return pictures;
  };
}

const isKind = (kind: string): kind is PictureKind => (PICTURES as readonly string[]).includes(kind);

function sendPng(c: Context, png: Uint8Array | undefined) {
  if (png === undefined) return refuse(c, 404, "no such picture");
  return c.body(new Uint8Array(png), 200, { "Content-Type": "image/png" });
}

function apiRoutes(workspace: Workspace, follow: ReturnType<typeof streams>): Hono {
  const api = new Hono();
  const pictures = pictureCache(workspace);
  api.use(async (c, next) => {
    await next();
    c.res.headers.set("Cache-Control", "no-store");
  });
  api.get("/runs", (c) => c.json(workspace.summaries()));
  api.get("/runs/stream", (c) => follow.list(c, workspace));
  api.get("/runs/:id", (c) => {
    const run = workspace.run(c.req.param("id"));
    return run === undefined ? refuse(c, 404, "no such run") : c.json(run.detail());
  });
  api.get("/runs/:id/stream", (c) => {
    const run = workspace.run(c.req.param("id"));
    return run === undefined ? refuse(c, 404, "no such run") : follow.run(c, workspace, run);
  });
  api.get("/runs/:id/sharpness", (c) => {
    const run = workspace.run(c.req.param("id"));
    return run === undefined ? refuse(c, 404, "no such run") : c.json(sharpnessOf(run.found));
  });
  api.get("/runs/:id/images", (c) => {
    const run = workspace.run(c.req.param("id"));
    return run === undefined ? refuse(c, 404, "no such run") : c.json(runImages(run.found));
  });
  api.get("/runs/:id/images/:at{[0-9]{1,9}}/:kind{[a-z]+}", (c) => {
    const { id, at, kind } = c.req.param();
    const run = workspace.run(id);
    return sendPng(c, run && isKind(kind) ? runPicture(run.found, Number(at), kind) : undefined);
  });
  const compared = (ids: string) =>
    [...new Set(ids.split(","))].slice(0, MOST_COMPARED).flatMap((id) => workspace.run(id)?.found ?? []);
  api.get("/masks/:ids{[0-9a-f,]+}", (c) => c.json(maskDifferences(compared(c.req.param("ids")))));
  api.get("/landscapes/:ids{[0-9a-f,]+}", (c) => c.json(compared(c.req.param("ids")).map(landscapesOf)));
  api.get("/cards", (c) => c.json(cardSummaries(workspace.records())));
  api.get("/curves", (c) => c.json(curveSummaries(workspace.records())));
  api.get("/cards/:id", (c) => {
    const record = workspace.record(c.req.param("id"));
    return record === undefined ? refuse(c, 404, "no such record") : c.json(cardDetail(record));
  });
  api.get("/cards/:id/:index{[0-9]{1,9}}/:kind{[a-z]+}", async (c) => {
    const { id, index, kind } = c.req.param();
    return sendPng(c, isKind(kind) ? await pictures(id)?.png(Number(index), kind) : undefined);
  });
  return api;
}

/** Everything that is answered, as a Hono app: `app.request(address)` works without a server. */
export function dashboardApp(options: AppOptions): Hono {
  const { workspace, page, token, onError } = options;
  const { pollMs = 500, mostStreams = 32 } = options;
  const app = new Hono();
  app.use(headers, limits, access(token));
  app.route("/api", apiRoutes(workspace, streams({ pollMs, mostStreams })));
  app.get("*", (c) => {
    const file = page.get(c.req.path);
    if (file === undefined) return refuse(c, 404, "no such page");
    const cache = file.lasting ? "private, max-age=31536000, immutable" : "no-cache";
    return c.body(file.bytes, 200, { "Content-Type": file.type, "Cache-Control": cache });
  });
  app.onError((error, c) => {
    if (error instanceof S2apError) return c.json({ error: { code: error.code, message: error.message } }, 422);
    onError?.(error);
    return c.json({ error: { code: "internal", message: "unexpected error; the server's terminal says more" } }, 500);
  });
  return app;
}
