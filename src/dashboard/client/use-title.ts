import { useEffect } from "preact/hooks";

/** Names the tab and the entry of the browser's history: what is shown, then the program. */
export function useTitle(shown: string): void {
  useEffect(() => {
    document.title = `${shown} · s2ap`;
  }, [shown]);
}
