/** Positions in a list of this length, as many as `most`, evenly spread, with the first and the last; all where there are fewer. */
export function evenly(length: number, most: number): number[] {
  const shown = Math.min(most, length);
  return Array.from({ length: shown }, (_, i) => (shown < 2 ? 0 : Math.round((i * (length - 1)) / (shown - 1))));
}
