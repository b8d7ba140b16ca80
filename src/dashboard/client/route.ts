import { signal } from "@preact/signals";

/** What the part of the address behind `#` asks for. */
export type Route =
  | { readonly page: "runs" }
  | { readonly page: "run"; readonly id: string }
  | { readonly page: "compare"; readonly ids: readonly string[] }
  | { readonly page: "cards" }
  | { readonly page: "card"; readonly id: string };

/** Ids are of hexadecimal digits; whatever else stands in an address is the list. */
export function routeOf(hash: string): Route {
  const [, page, rest = ""] = /^#\/(run|compare|card|cards)(?:\/([0-9a-f,]+))?$/.exec(hash) ?? [];
  if (page === "run" && rest !== "") return { page, id: rest };
  if (page === "card" && rest !== "") return { page, id: rest };
  if (page === "compare" && rest !== "") return { page, ids: [...new Set(rest.split(",").filter((id) => id !== ""))] };
  return page === "cards" ? { page } : { page: "runs" };
}

export const route = signal<Route>(routeOf(location.hash));
window.addEventListener("hashchange", () => {
  route.value = routeOf(location.hash);
});
