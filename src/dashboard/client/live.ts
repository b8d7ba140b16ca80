import { signal } from "@preact/signals";

/** Whether what the page shows is up to date; `none` where it shows nothing that changes. */
export const connection = signal<"none" | "connecting" | "live" | "lost">("none");

export type Handlers = Readonly<Record<string, (data: string, id: string) => void>>;

const AGAIN_MS = 2000;

/**
 * Follows a stream of the server until the returned function is called. The browser reconnects by itself, and says what it had last;
 * a refusal ends that, so then we ask again. A hidden page follows nothing, so that it takes none of the server's few streams.
 */
export function follow(address: () => string, handlers: Handlers): () => void {
  let source: EventSource | undefined;
  let timer: number | undefined;

  function close(): void {
    source?.close();
    source = undefined;
    window.clearTimeout(timer);
  }

  function open(): void {
    close();
    if (document.hidden) return;
    connection.value = "connecting";
    source = new EventSource(address());
    source.onopen = () => {
      connection.value = "live";
    };
    source.onerror = () => {
      connection.value = "lost";
      if (source?.readyState === EventSource.CLOSED) timer = window.setTimeout(open, AGAIN_MS);
    };
    for (const [type, handle] of Object.entries(handlers)) {
      source.addEventListener(type, (event) => handle(event.data, event.lastEventId));
    }
  }

  document.addEventListener("visibilitychange", open);
  open();
  return () => {
    document.removeEventListener("visibilitychange", open);
    close();
    connection.value = "none";
  };
}

/** An answer of the server as data; Error with what it says otherwise. */
export async function get<T>(address: string): Promise<T> {
  const response = await fetch(address);
  const body = (await response.json()) as T & { readonly error?: { readonly message?: string } };
  if (!response.ok) throw new Error(body.error?.message ?? `the server answered ${response.status}`);
  return body;
}
