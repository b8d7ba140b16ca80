/** Of the whole, as much as shows a pace where units are small. */
const ENOUGH = 1 / 500;

/** Tells the time to go from the pace since it was first asked, in seconds; undefined until two units show one. */
export function timeLeft(
  clock: () => number = () => performance.now() / 1000,
): (done: number, of: number) => number | undefined {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, of) => {
    const at = clock();
    first ??= { done, at };
    const since = done - first.done;
    return since < Math.max(2, of * ENOUGH) ? undefined : ((at - first.at) / since) * (of - done);
  };
}
