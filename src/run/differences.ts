/** A place where two plain values differ; a side that is missing is `undefined`. */
export interface Difference {
  /** `stages.search.epochs`, `evaluation[1].eps`. */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Where two plain JSON values differ, leaf by leaf, in the order of the first one's keys. */
export function differences(before: unknown, after: unknown, path = ""): Difference[] {
  if (Array.isArray(before) && Array.isArray(after)) {
    const length = Math.max(before.length, after.length);
    return Array.from({ length }, (_, i) => differences(before[i], after[i], `${path}[${i}]`)).flat();
  }
  if (isMap(before) && isMap(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  return Object.is(before, after) ? [] : [{ path, before, after }];
}
