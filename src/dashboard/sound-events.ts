import { type RunEvent, STAGES } from "../run/events.js";

// JSON has no NaN: the loss of a run that diverged is null in the log.
const isNumber = (value: unknown): boolean => typeof value === "number" || value === null;
const isText = (value: unknown): boolean => typeof value === "string";
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNumbers = (value: unknown): boolean => isObject(value) && Object.values(value).every(isNumber);
const isPasses = (value: unknown): boolean => isObject(value) && isNumber(value.forward) && isNumber(value.backward);
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isStage = (value: unknown): boolean => (STAGES as readonly unknown[]).includes(value);
const isInterval = (value: unknown): boolean => Array.isArray(value) && value.length === 2 && value.every(isNumber);
const optional = (check: (value: unknown) => boolean) => (value: unknown) => value === undefined || check(value);

const isDistance = (value: unknown): boolean =>
  isObject(value) && isNumber(value.hamming) && isNumber(value.perKept) && isNumbers(value.layers);
const isSparsity = (value: unknown): boolean => isObject(value) && isNumber(value.total) && isNumbers(value.layers);

const inTraining = {
  at: isText,
  stage: isStage,
  epoch: isCount,
  loss: isNumber,
  lr: isNumber,
  robustAccuracy: isNumber,
};

/** What the fields that a page shows must be. */
const shapes: Readonly<Record<RunEvent["type"], Readonly<Record<string, (value: unknown) => boolean>>>> = {
  run: { at: isText, name: isText, seed: isNumber },
  stage: { at: isText, stage: isStage, status: isText, epochs: isCount, steps: isCount, step: isCount },
  step: { ...inTraining, step: isCount, imagesPerSecond: isNumber },
  epoch: {
    ...inTraining,
    cleanAccuracy: isNumber,
    seconds: isNumber,
    passes: isPasses,
    maskDistance: optional(isDistance),
    sparsity: optional(isSparsity),
    swapFraction: optional(isNumber),
    sharpnessGap: optional(isNumber),
  },
  warning: { at: isText, code: isText, message: isText },
  evaluation: {
    ...{ at: isText, attack: isText, eps: isText, cleanAccuracy: isNumber, robustAccuracy: isNumber },
    ...{ examples: isNumber, seconds: isNumber, interval: isInterval, passes: isPasses },
  },
};

type Check = readonly [key: string, check: (value: unknown) => boolean];
const checks: ReadonlyMap<string, readonly Check[]> = new Map(
  Object.entries(shapes).map(([type, shape]) => [type, Object.entries(shape)]),
);

/** Whether an event of a known type has the shape of its type. A log may come from anywhere, and the page relies on it. */
export function isSound(event: RunEvent): boolean {
  const fields = event as unknown as Readonly<Record<string, unknown>>;
  for (const [key, check] of checks.get(event.type) ?? []) if (!check(fields[key])) return false;
  return true;
}
