// Who may ask, and how much. A page of another origin cannot read answers (no CORS), but it can make a browser send requests, or
// point a name of its own at 127.0.0.1 (DNS rebinding): so without a token the Host header must name this machine's loopback.
import { timingSafeEqual } from "node:crypto";
import type { Context, MiddlewareHandler } from "hono";
import { getCookie, setCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";

const COOKIE = "s2ap-token";
const MOST_URL = 2048;

/** Nothing but our own files: no inline script or style, no frames, no other host. */
export const headers: MiddlewareHandler = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: ["'none'"],
  },
  xFrameOptions: "DENY",
  referrerPolicy: "no-referrer",
  crossOriginResourcePolicy: "same-origin",
  crossOriginOpenerPolicy: "same-origin",
  // It is plain http on this machine.
  strictTransportSecurity: false,
});

export function refuse(c: Context, status: 400 | 401 | 403 | 404 | 405 | 413 | 414 | 503, message: string) {
  return c.json({ error: { code: `dashboard/${status}`, message } }, status);
}

/** Host names that mean the loopback; the port does not matter to rebinding. */
export function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i.test(host);
}

/** Only small GET requests, and only from our own page or a person. */
export const limits: MiddlewareHandler = async (c, next) => {
  if (c.req.method !== "GET" && c.req.method !== "HEAD") return refuse(c, 405, "only GET");
  if (c.req.url.length > MOST_URL) return refuse(c, 414, `at most ${MOST_URL} characters of address`);
  const length = c.req.header("content-length");
  if ((length !== undefined && length !== "0") || c.req.header("transfer-encoding") !== undefined) {
    return refuse(c, 413, "no request has a body");
  }
  const site = c.req.header("sec-fetch-site");
  const foreign = site === "cross-site" || site === "same-site";
  if (foreign && c.req.header("sec-fetch-mode") !== "navigate") return refuse(c, 403, "not from another site");
  return next();
};

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Without a token: the Host header is a loopback name. With one: the token, once in the address, then in a cookie. */
export function access(token: string | undefined): MiddlewareHandler {
  if (token === undefined) {
    return async (c, next) => {
      const host = c.req.header("host") ?? new URL(c.req.url).host;
      return isLoopbackHost(host) ? next() : refuse(c, 403, "expected the host localhost or 127.0.0.1");
    };
  }
  return async (c, next) => {
    const given = c.req.query("token");
    if (given !== undefined && equal(given, token)) {
      setCookie(c, COOKIE, token, { httpOnly: true, sameSite: "Strict", path: "/" });
      // Away with it from the address line, the history and whatever is copied from there.
      return c.redirect("/", 303);
    }
    const bearer = /^Bearer (.+)$/.exec(c.req.header("authorization") ?? "")?.[1];
    const shown = bearer ?? getCookie(c, COOKIE);
    if (shown !== undefined && equal(shown, token)) return next();
    return refuse(c, 401, "expected the token: open the whole address that s2ap dashboard printed");
  };
}
