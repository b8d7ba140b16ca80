/** `31.2 %` of 0.312. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `0:07`, `12:34`, `1:02:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n: number) => String(n).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** `1,234`: the same in every locale. */
export function count(n: number): string {
  return n.toLocaleString("en-US");
}

/** A loss or another number of no fixed scale, in four digits. */
export function number(value: number): string {
  return Number.isFinite(value) ? value.toPrecision(4) : String(value);
}

/** Columns side by side, two spaces apart; the first to the left, the others to the right unless they are text. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  ");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
