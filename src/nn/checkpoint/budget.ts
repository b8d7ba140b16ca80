import { DataError, expected } from "../../util/errors.js";

/** Counts bytes; throws beyond the bound. */
export interface Budget {
  charge(bytes: number): void;
}

const SPARE = 32 * 2 ** 20;

/**
 * Memory for what is made while a checkpoint is read: objects, and copies of tensors that are not contiguous. With the bytes of the
 * tensors themselves that stays within twice the size that the file declares plus 64 MB.
 */
export function budget(where: string, declared: number): Budget {
  const most = declared + SPARE;
  let used = 0;
  return {
    charge: (bytes) => {
      used += bytes;
      if (used <= most) return;
      const message = expected(where, `values that need at most ${most} bytes`, "more: the file is damaged or hostile");
      throw new DataError(message, { code: "data/too-large" });
    },
  };
}
