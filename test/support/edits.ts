import fc from "fast-check";

/** A change of one byte, or of up to 255 in a row. */
export interface Edit {
  readonly at: number;
  readonly byte: number;
  readonly kind: string;
}

export const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(),
  byte: fc.nat(255),
  kind: fc.constantFrom("set", "insert", "delete", "copy"),
});

export function edited(bytes: Buffer, edits: readonly Edit[]): Buffer {
  return edits.reduce((all, { at, byte, kind }) => {
    const i = at % Math.max(1, all.length);
    const [head, tail] = [all.subarray(0, i), all.subarray(i)];
    if (kind === "insert") return Buffer.concat([head, Buffer.of(byte), tail]);
    if (kind === "delete") return Buffer.concat([head, tail.subarray(1)]);
    if (kind === "copy") return Buffer.concat([head, tail.subarray(0, byte), tail]);
    return Buffer.concat([head, Buffer.of(byte), tail.subarray(1)]);
  }, bytes);
}
