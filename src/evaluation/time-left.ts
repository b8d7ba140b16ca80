/** Tells the time to go from the pace since it was first asked, in seconds; undefined until two units are done. */
export function timeLeft(
  clock: () => number = () => performance.now() / 1000,
): (done: number, of: number) => number | undefined {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, of) => {
    const at = clock();
    first ??= { done, at };
    return done - first.done < 2 ? undefined : ((at - first.at) / (done - first.done)) * (of - done);
  };
}
