import { useEffect, useState } from "preact/hooks";
import { get } from "./live.js";

/** An answer that does not change by itself: undefined until it is there, or what went wrong. */
export function useAnswer<T>(address: string): { readonly answer?: T; readonly problem?: string } {
  const [state, setState] = useState<{ readonly answer?: T; readonly problem?: string }>({});
  useEffect(() => {
    let left = false;
    const set = (next: { readonly answer?: T; readonly problem?: string }) => {
      if (!left) setState(next);
    };
    get<T>(address).then(
      (answer) => set({ answer }),
      (error: Error) => set({ problem: error.message }),
    );
    return () => {
      left = true;
    };
  }, [address]);
  return state;
}
