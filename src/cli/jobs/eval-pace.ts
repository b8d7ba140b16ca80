/** Time to go from the pace since the first report, in seconds; undefined until two units are done. */
export function pace(clock = () => performance.now() / 1000): (done: number, of: number) => number | undefined {
  let first: { readonly done: number; readonly at: number } | undefined;
  return (done, of) => {
    const at = clock();
    first ??= { done, at };
    return done - first.done < 2 ? undefined : ((at - first.at) / (done - first.done)) * (of - done);
  };
}
