import { DataError, expected } from "../util/index.js";

/** Takes bytes as they come, `at` counted from the first of them. */
export type Sink = (piece: Buffer, at: number) => void;

/** Bytes that arrive in pieces, taken in the amounts that a format asks for: no more than a piece of them is in memory. */
export interface ByteStream {
  /** How many bytes were taken so far. */
  readonly taken: () => number;
  /** The next `length` bytes, in one buffer. */
  take(length: number): Promise<Buffer>;
  /** Hands the next `length` bytes on as they arrive. */
  pour(length: number, sink: Sink): Promise<void>;
  /** Whether nothing is left. What made the pieces is by then through with its checks, such as zlib's checksum. */
  atEnd(): Promise<boolean>;
}

/** The bytes of `pieces`; DataError, in the name of `where`, when they end too soon. */
export function byteStream(where: string, pieces: AsyncIterable<Buffer>): ByteStream {
  const source = pieces[Symbol.asyncIterator]();
  let piece: Buffer = Buffer.alloc(0);
  let taken = 0;

  /** Makes `piece` hold something, unless all is taken. */
  async function fill(): Promise<boolean> {
    while (piece.length === 0) {
      const next = await source.next();
      if (next.done === true) return false;
      piece = next.value;
    }
    return true;
  }

  async function pour(length: number, sink: Sink): Promise<void> {
    for (let at = 0; at < length; ) {
      if (!(await fill())) {
        const got = `the end after ${at}: it is cut short or damaged`;
        throw new DataError(expected(where, `${length} bytes`, got), { code: "data/short" });
      }
      const part = piece.subarray(0, length - at);
      sink(part, at);
      piece = piece.subarray(part.length);
      at += part.length;
      taken += part.length;
    }
  }

  return {
    taken: () => taken,
    async take(length) {
      const bytes = Buffer.alloc(length);
      await pour(length, (part, at) => void bytes.set(part, at));
      return bytes;
    },
    pour,
    atEnd: async () => !(await fill()),
  };
}
