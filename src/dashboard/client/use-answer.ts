import { useEffect, useState } from "preact/hooks";
import { get } from "./live.js";

interface Answer<T> {
  readonly answer?: T;
  readonly problem?: string;
}

/** So often an answer that goes on is asked for anew. */
const AGAIN_MS = 3000;

/**
 * An answer of the server, undefined until it is there, or what went wrong. Without `goesOn` it does not change by itself; with it, it is
 * asked for anew for as long as that says so, and when a page that was hidden is looked at again.
 */
export function useAnswer<T>(address: string, goesOn?: (answer: T) => boolean): Answer<T> {
  const [state, setState] = useState<Answer<T>>({});
  useEffect(() => {
    let left = false;
    let again = false;
    let timer: number | undefined;
    async function ask(): Promise<void> {
      window.clearTimeout(timer);
      const next = await get<T>(address).then(
        (answer): Answer<T> => ({ answer }),
        (error: Error): Answer<T> => ({ problem: error.message }),
      );
      if (left) return;
      if (next.answer !== undefined) again = goesOn?.(next.answer) ?? false;
      setState((before) => (next.answer === undefined && again ? { ...before, ...next } : next));
      if (again && !document.hidden) timer = window.setTimeout(() => void ask(), AGAIN_MS);
    }
    const looked = () => {
      if (goesOn !== undefined && !document.hidden) void ask();
    };
    void ask();
    document.addEventListener("visibilitychange", looked);
    return () => {
      left = true;
      window.clearTimeout(timer);
      document.removeEventListener("visibilitychange", looked);
    };
  }, [address, goesOn]);
  return state;
}
