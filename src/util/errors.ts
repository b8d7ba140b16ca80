/** What an error may say beyond its message. */
export interface S2apErrorOptions extends ErrorOptions {
  /** Stable kebab-case name of the failure, e.g. `data/hash`; default: the class's own. */
  readonly code?: string;
}

/** Base of every error this package throws on purpose; `code` is stable across releases. */
export class S2apError extends Error {
  readonly code: string;

  constructor(message: string, options: S2apErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = options.code ?? "internal";
  }
}

/** The caller asked for something that makes no sense: a wrong option, recipe or argument (exit code 2). */
export class UsageError extends S2apError {
  constructor(message: string, options: S2apErrorOptions = {}) {
    super(message, { code: "usage", ...options });
  }
}

/** Tensors whose shapes do not fit together (exit code 1). */
export class ShapeError extends S2apError {
  constructor(message: string, options: S2apErrorOptions = {}) {
    super(message, { code: "shape", ...options });
  }
}

/** libtorch refused a call; `operator` is its schema name, e.g. `aten::mm` (exit code 1). */
export class TorchError extends S2apError {
  readonly operator: string;

  constructor(operator: string, message: string, options: S2apErrorOptions = {}) {
    super(`${operator}: ${message}`, { code: "torch", ...options });
    this.operator = operator;
  }
}

/** A tensor was used after its scope ended or after `dispose()` (exit code 1). */
export class UseAfterFreeError extends S2apError {
  constructor(message: string, options: S2apErrorOptions = {}) {
    super(message, { code: "use-after-free", ...options });
  }
}

/** Bytes outside the program are wrong or out of reach: data sets, checkpoints, full disks (exit code 3). */
export class DataError extends S2apError {
  constructor(message: string, options: S2apErrorOptions = {}) {
    super(message, { code: "data", ...options });
  }
}

const LONGEST_SHOWN = 120;

/** Shows a value inside an error text, on one line and never longer than 120 characters. */
export function show(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return value.name === "" ? "a function" : `function ${value.name}`;
  if (typeof value === "symbol" || typeof value === "number") return String(value);
  if (value instanceof Error) return value.message;
  return cut(toText(value));
}

function toText(value: unknown): string {
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${value.byteLength} bytes`;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    // Cyclic values and bigints inside objects: the type is all that can be said on one line.
    return Object.prototype.toString.call(value);
  }
}

function cut(text: string): string {
  return text.length <= LONGEST_SHOWN ? text : `${text.slice(0, LONGEST_SHOWN - 3)}...`;
}

/** The one form of our error texts: `hydra: expected keepRatio in (0, 1], got 1.5`. */
export function expected(where: string, what: string, got: unknown): string {
  return `${where}: expected ${what}, got ${show(got)}`;
}

/** Exit code of the process for an error: 2 usage or recipe, 3 data, 1 anything else. */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (error instanceof DataError) return 3;
  return 1;
}
