import { count, decimal } from "./format.js";

/** Ends and step of an axis on round numbers; `show` gives every tick the same digits. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly interval: number;
  show(value: number): string;
}

export interface ScaleOptions {
  /** 0 is on the axis. */
  readonly zero: boolean;
  /** Least length of the axis, around the middle of the values; default: none. */
  readonly minSpan?: number;
  /** What `minSpan` does not go beyond; default: no bounds. */
  readonly within?: readonly [lo: number, hi: number];
}

/** Three to six steps of 1, 2 or 5 times a power of ten around the values; with `zero`, 0 is among them. */
export function niceScale(values: readonly number[], options: ScaleOptions): Scale {
  const known = options.zero || values.length === 0 ? [0, ...values] : values;
  const [least, most] = [Math.min(...known), Math.max(...known)];
  const short = Math.max(0, (options.minSpan ?? 0) - (most - least)) / 2;
  const [floor, ceiling] = options.within ?? [-Infinity, Infinity];
  const [low, high] = [
    Math.max(Math.min(floor, least), least - short),
    Math.min(Math.max(ceiling, most), most + short),
  ];
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Values that are equal but for rounding get an axis of their own size, and zeros one of length 1.
  const span = high - low > Math.max(1e-6 * size, 1e-9) ? high - low : size > 1e-9 ? size : 1;
  // A step for about four intervals: the ends may each add a part of one.
  const rough = span / 4.5;
  const exponent = Math.floor(Math.log10(rough) + 1e-9);
  const factor = [1, 2, 5, 10].find((size) => size * 10 ** exponent >= rough * (1 - 1e-9)) ?? 10;
  const interval = clean(factor * 10 ** exponent);
  const min = clean(Math.floor(low / interval + 1e-9) * interval);
  const max = clean(Math.ceil(high / interval - 1e-9) * interval);
  const digits = Math.max(0, -exponent - (factor === 10 ? 1 : 0));
  return {
    min,
    max: max > min ? max : clean(min + interval),
    interval,
    show: (value) => (Math.abs(value) < 1000 ? decimal(value, digits) : count(value)),
  };
}

/** 0.30000000000000004 -> 0.3, and no negative zero. */
const clean = (value: number): number => Number(value.toPrecision(12)) + 0;

/** Ticks at whole epochs: the first, then multiples of 1, 2 or 5 times a power of ten, eight at most. */
export function epochTicks(last: number): number[] {
  const rough = last / 7;
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? power;
  const ticks = step === 1 ? [] : [1];
  for (let tick = step; tick <= last; tick += step) ticks.push(tick);
  return ticks;
}
