import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  appendRaw,
  at,
  landscapeRecord,
  makeAttackedImages,
  makeLandscape,
  makeRecord,
  makeRun,
  stepEvent,
  wholeRun,
} from "../../test/support/dashboard-runs.js";
import { openRun } from "../run/index.js";
import type { CardDetail, RunDetail, RunImages, RunSummary, RunsChange } from "./api.js";
import { type AppOptions, dashboardApp } from "./app.js";
import { workspace } from "./workspace.js";

let top = "";
let root = "";
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "s2ap-app-"));
  root = join(top, "runs");
  mkdirSync(root);
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const page = new Map([
  ["/", { type: "text/html; charset=utf-8", bytes: new Uint8Array(Buffer.from("<p>page</p>")), lasting: false }],
]);
const app = (more: Partial<AppOptions> = {}) =>
  dashboardApp({ workspace: workspace([root], { fresh: 0 }), page, pollMs: 5, ...more });
const base = "http://localhost:7227";

async function json<T>(from: ReturnType<typeof app>, path: string): Promise<T> {
  const response = await from.request(base + path);
  expect(response.status).toBe(200);
  return (await response.json()) as T;
}

interface Message {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** The messages of a stream as they come; `close` ends it as a browser would. */
function reading(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = "";
  return {
    async next(type?: string): Promise<Message> {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const lines = text.slice(0, end).split("\n");
          text = text.slice(end + 2);
          const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
          const event = field("event");
          if (event !== undefined && (type === undefined || type === event)) {
            return { event, data: field("data") ?? "", id: field("id") };
          }
          continue;
        }
        const { value, done } = await reader.read();
        if (done) return { event: "end", data: "", id: undefined };
        text += decoder.decode(value, { stream: true });
      }
    },
    close: () => reader.cancel(),
  };
}

describe("the interface", () => {
  test("lists runs, and tells one with a cursor behind what it told", async () => {
    makeRun(join(root, "a"), wholeRun());
    const dashboard = app();
    const [summary] = await json<RunSummary[]>(dashboard, "/api/runs");
    expect(summary).toMatchObject({ name: "a", state: "done", robustAccuracy: 0.31, method: "hydra" });
    const detail = await json<RunDetail>(dashboard, `/api/runs/${summary?.id}`);
    expect(detail.log.count).toBe(wholeRun().length);
    expect(detail.cursor).toMatch(new RegExp(`^${readFileSync(join(root, "a/events.jsonl")).length}-`));
    expect(detail.files.map(({ name }) => name).sort()).toEqual(["events.jsonl", "run.json"]);
  });

  test("tells a record, and its pictures as PNG", async () => {
    makeRecord(join(root, "r"));
    const dashboard = app();
    const [card] = await json<{ id: string }[]>(dashboard, "/api/cards");
    const detail = await json<CardDetail>(dashboard, `/api/cards/${card?.id}`);
    expect(detail.images).toHaveLength(6);
    const picture = await dashboard.request(`${base}/api/cards/${card?.id}/1/adversarial`);
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/png"]);
    for (const path of ["0/adversarial", "1/clean", "1/secret", "x/clean", "-1/clean", "99999999999/clean"]) {
      expect((await dashboard.request(`${base}/api/cards/${card?.id}/${path}`)).status).toBe(404);
    }
    // Its command was given again, with a version that keeps clean images.
    makeRecord(join(root, "r"), { clean: 6 });
    for (const path of ["1/clean", "1/difference", "0/clean"]) {
      expect((await dashboard.request(`${base}/api/cards/${card?.id}/${path}`)).status).toBe(200);
    }
  });

  test("tells the attacked images of a run, and has their pictures as PNG", async () => {
    makeRun(join(root, "a"), []);
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    expect(await json(dashboard, `/api/runs/${id}/images`)).toBeNull();
    makeAttackedImages(join(root, "a"));
    const found = await json<RunImages>(dashboard, `/api/runs/${id}/images`);
    expect(found.examples).toMatchObject([{ label: "zero" }, { label: "zero" }]);
    const picture = await dashboard.request(`${base}/api/runs/${id}/images/1/clean`);
    expect([picture.status, picture.headers.get("content-type")]).toEqual([200, "image/png"]);
    for (const path of ["2/clean", "0/secret", "x/clean", "0/__proto__", "0/label", "-1/clean"]) {
      expect((await dashboard.request(`${base}/api/runs/${id}/images/${path}`)).status).toBe(404);
    }
    expect((await dashboard.request(`${base}/api/runs/00/images`)).status).toBe(404);
  });

  test("compares masks and tells of scores, where there are any", async () => {
    makeRun(join(root, "a"), []);
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    expect(await json(dashboard, `/api/masks/${id},00,${id}`)).toEqual({ layers: [], runs: [] });
    expect(await json(dashboard, `/api/runs/${id}/sharpness`)).toBeNull();
    expect(await json(dashboard, `/api/landscapes/${id},00,${id}`)).toEqual([{ id, landscapes: [], problems: [] }]);
    makeLandscape(join(root, "a"), landscapeRecord(1));
    expect(await json(dashboard, `/api/landscapes/${id}`)).toMatchObject([
      { landscapes: [{ file: "landscape.json" }] },
    ]);
    for (const path of ["masks/..%2f", "runs/00/sharpness", "landscapes/..%2f", `landscapes/${id}/landscape.json`]) {
      expect((await dashboard.request(`${base}/api/${path}`)).status).toBe(404);
    }
  });

  test("answers a damaged record with the reason", async () => {
    makeRecord(join(root, "r"));
    const dashboard = app();
    const [card] = await json<{ id: string }[]>(dashboard, "/api/cards");
    writeFileSync(join(root, "r/images.json"), "{");
    const response = await dashboard.request(`${base}/api/cards/${card?.id}`);
    expect(response.status).toBe(422);
    expect(await response.text()).toContain("runs/r/images.json: expected what an evaluation wrote");
  });
});

describe("the stream of a run", () => {
  const steps = ({ data }: Message) => (JSON.parse(data) as { step: number }[]).map(({ step }) => step);

  test("goes on where the page's data ended, and after a lost connection where the browser was", async () => {
    using run = openRun(join(root, "a"), { seed: 1 });
    for (let i = 1; i <= 50; i++) run.append(stepEvent("search", i));
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const { cursor, log } = await json<RunDetail>(dashboard, `/api/runs/${id}`);
    expect(log.count).toBe(50);
    run.append(stepEvent("search", 51));
    const stream = reading(await dashboard.request(`${base}/api/runs/${id}/stream?after=${cursor}`));
    const first = await stream.next("events");
    expect(steps(first)).toEqual([51]);
    run.append(stepEvent("search", 52));
    expect(steps(await stream.next("events"))).toEqual([52]);
    await stream.close();

    // The browser had 51 only: it says so, and that counts more than the address.
    for (const i of [53, 54]) run.append(stepEvent("search", i));
    const headers = { "Last-Event-ID": first.id ?? "" };
    const again = reading(await app().request(`${base}/api/runs/${id}/stream?after=${cursor}`, { headers }));
    expect(steps(await again.next("events"))).toEqual([52, 53, 54]);
    await again.close();
  });

  test("sends a long log in parts, each with a place to go on from", async () => {
    makeRun(join(root, "a"), []);
    const lines = Array.from({ length: 8000 }, (_, i) => ({ ...stepEvent("search", i + 1), at: at(0) }));
    appendRaw(join(root, "a"), ...lines);
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const seen: number[] = [];
    let last: string | undefined;
    let parts = 0;
    // Each connection is lost after one message.
    while (seen.length < 8000) {
      const headers: Record<string, string> = last === undefined ? {} : { "Last-Event-ID": last };
      const stream = reading(await dashboard.request(`${base}/api/runs/${id}/stream`, { headers }));
      const message = await stream.next("events");
      seen.push(...steps(message));
      last = message.id;
      parts++;
      await stream.close();
    }
    expect(seen).toEqual(lines.map((_, i) => i + 1));
    expect(parts).toBeGreaterThan(3);
  });

  test("asks the page to begin anew when a resumed run cut its log back", async () => {
    const folder = join(root, "a");
    makeRun(folder, wholeRun());
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const { cursor } = await json<RunDetail>(dashboard, `/api/runs/${id}`);
    const open = reading(await dashboard.request(`${base}/api/runs/${id}/stream?after=${cursor}`));
    await open.next("summary");
    const path = join(folder, "events.jsonl");
    truncateSync(path, readFileSync(path, "utf8").indexOf("\n") + 1);
    expect((await open.next()).event).toBe("reset");
    expect((await open.next()).event).toBe("end");
    // Also for a page that was away meanwhile, and after the log has grown past the old place.
    appendRaw(folder, ...Array.from({ length: 100 }, (_, i) => ({ ...stepEvent("search", i + 1), at: at(0) })));
    const late = reading(await dashboard.request(`${base}/api/runs/${id}/stream?after=${cursor}`));
    expect((await late.next()).event).toBe("reset");
    await late.close();
  });

  test("tells the state when it changes, leaves unsound events out, and ends with the run's folder", async () => {
    const folder = join(root, "a");
    const run = openRun(folder, { seed: 1 });
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const stream = reading(await dashboard.request(`${base}/api/runs/${id}/stream`));
    expect(JSON.parse((await stream.next("summary")).data)).toMatchObject({ state: "running" });
    appendRaw(folder, { type: "step", stage: "<b>" }, { ...stepEvent("search", 1), at: at(0) });
    expect(steps(await stream.next("events"))).toEqual([1]);
    run.update({ status: "done" });
    run.close();
    let state = "";
    while (state !== "done") state = (JSON.parse((await stream.next("summary")).data) as RunSummary).state;
    rmSync(folder, { recursive: true });
    while ((await stream.next()).event !== "gone");
  });
});

describe("the stream of the list", () => {
  test("has all runs first, then those that changed and those that are gone", async () => {
    makeRun(join(root, "a"), wholeRun());
    const stream = reading(await app().request(`${base}/api/runs/stream`));
    const next = async () => JSON.parse((await stream.next("runs")).data) as RunsChange;
    const first = await next();
    expect([first.first, first.changed.map(({ name }) => name), first.gone]).toEqual([true, ["a"], []]);
    makeRun(join(root, "b"), []);
    let change = await next();
    expect([change.first, change.changed[0]?.name]).toEqual([false, "b"]);
    rmSync(join(root, "a"), { recursive: true });
    while (change.gone.length === 0) change = await next();
    expect(change.gone).toEqual([first.changed[0]?.id]);
    await stream.close();
  });

  test("no more streams than allowed are open; one that is closed makes room", async () => {
    const dashboard = app({ mostStreams: 2 });
    const open = () => dashboard.request(`${base}/api/runs/stream`);
    const first = reading(await open());
    const second = reading(await open());
    const refused = await open();
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
    await first.next();
    await first.close();
    await expect
      .poll(async () => {
        const response = await open();
        await response.body?.cancel();
        return response.status;
      })
      .toBe(200);
    await second.close();
  });
});

describe("who may ask", () => {
  const status = async (
    of: ReturnType<typeof app>,
    path: string,
    headers: Record<string, string> = {},
    more: RequestInit = {},
  ) => (await of.request(base + path, { ...more, headers })).status;

  test("only loopback names, where there is no token: no name that was rebound", async () => {
    for (const host of ["localhost:7227", "127.0.0.1", "[::1]:1", "LOCALHOST"]) {
      expect(await status(app(), "/api/runs", { host })).toBe(200);
    }
    for (const host of [
      "evil.example",
      "localhost.evil.example",
      "127.0.0.1.nip.io",
      "127.0.0.1:80@evil",
      "",
      "192.168.0.2",
    ]) {
      expect(await status(app(), "/api/runs", { host })).toBe(403);
      expect(await status(app(), "/", { host })).toBe(403);
    }
  });

  test("no script of another site, but a link from there", async () => {
    const from = (site: string, mode: string) => ({
      host: "localhost",
      "sec-fetch-site": site,
      "sec-fetch-mode": mode,
    });
    expect(await status(app(), "/api/runs/stream", from("cross-site", "cors"))).toBe(403);
    expect(await status(app(), "/api/runs", from("same-site", "no-cors"))).toBe(403);
    expect(await status(app(), "/api/runs", from("same-origin", "cors"))).toBe(200);
    expect(await status(app(), "/", from("cross-site", "navigate"))).toBe(200);
  });

  test("with a token only who has it, from any address", async () => {
    const guarded = app({ token: "t0ken" });
    const host = "192.168.0.2:7227";
    for (const headers of [
      {},
      { cookie: "s2ap-token=other" },
      { authorization: "Bearer t0ke" },
      { authorization: "t0ken" },
    ]) {
      for (const path of ["/", "/api/runs", "/api/runs/stream", "/palette.css", "/?token=wrong", "/api/runs?token="]) {
        expect(await status(guarded, path, { host, ...headers })).toBe(401);
      }
    }
    const entry = await guarded.request(`${base}/?token=t0ken`, { headers: { host } });
    expect([entry.status, entry.headers.get("location")]).toEqual([303, "/"]);
    const cookie = entry.headers.get("set-cookie") ?? "";
    expect(cookie).toMatch(/^s2ap-token=t0ken; Path=\/; HttpOnly; SameSite=Strict$/);
    expect(await status(guarded, "/api/runs", { host, cookie: "s2ap-token=t0ken" })).toBe(200);
    expect(await status(guarded, "/api/runs", { host, authorization: "Bearer t0ken" })).toBe(200);
  });

  test("only small requests that change nothing", async () => {
    for (const method of ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]) {
      expect(await status(app(), "/api/runs", { host: "localhost" }, { method })).toBe(405);
    }
    expect(await status(app(), `/api/runs?x=${"x".repeat(3000)}`, { host: "localhost" })).toBe(414);
    expect(await status(app(), "/api/runs", { host: "localhost", "content-length": "5" })).toBe(413);
    expect(await status(app(), "/api/runs", { host: "localhost", "transfer-encoding": "chunked" })).toBe(413);
  });

  test("every answer forbids scripts, frames and guesses that are not ours", async () => {
    for (const path of ["/", "/api/runs", "/nothing", "/api/nothing"]) {
      const { headers } = await app().request(base + path);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy.split("; ").sort()).toEqual([
        "base-uri 'none'",
        "connect-src 'self'",
        "default-src 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "img-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
      ]);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("x-frame-options")).toBe("DENY");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("access-control-allow-origin")).toBeNull();
    }
    expect((await app().request(`${base}/api/runs`)).headers.get("cache-control")).toBe("no-store");
  });
});

describe("paths", () => {
  test("of a request never become paths on disk", async () => {
    makeRun(join(root, "a"), wholeRun());
    writeFileSync(join(top, "secret.txt"), "top secret");
    symlinkSync(join(top, "secret.txt"), join(root, "a/link.txt"));
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const tries = [
      "/../secret.txt",
      "/..%2fsecret.txt",
      "/%2e%2e/%2e%2e/etc/passwd",
      "/assets/../../secret.txt",
      "/api/runs/..%2f..%2fsecret.txt",
      `/api/runs/${id}%2f..%2fa`,
      `/api/runs/${id}/link.txt`,
      `/api/runs/${encodeURIComponent(join(root, "a"))}`,
      "/api/cards/../runs",
      "/api/runs/__proto__",
      "/api/runs/%00",
      "/etc/passwd",
      "//etc/passwd",
    ];
    for (const path of tries) {
      const response = await dashboard.request(new Request(`${base}${path}`));
      const text = await response.text();
      expect([path, text.includes("secret") || text.includes("root:")]).toEqual([path, false]);
      if (!path.endsWith("/runs")) expect([path, response.status]).toEqual([path, 404]);
    }
  });

  test("that links lead out of the roots are listed neither as files nor read", async () => {
    makeRun(join(root, "a"), wholeRun());
    symlinkSync("/etc/passwd", join(root, "a/results.json"));
    const dashboard = app();
    const [{ id = "" } = {}] = await json<RunSummary[]>(dashboard, "/api/runs");
    const { files } = await json<RunDetail>(dashboard, `/api/runs/${id}`);
    expect(files.map(({ name }) => name)).not.toContain("results.json");
  });
});
