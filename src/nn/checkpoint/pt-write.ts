// Writes a state_dict as torch.save does: a zip archive of an OrderedDict of tensors, with no opcode or name that Python's
// `torch.load(path, weights_only=True)` does not take.
import type { DType } from "../../torch/index.js";
import { expected, UsageError } from "../../util/errors.js";
import { storedZip } from "../../util/zip-write.js";
import type { RawTensor } from "./safetensors.js";
import { byteLength } from "./safetensors-header.js";

const STORAGE: Readonly<Record<DType, string>> = {
  float64: "DoubleStorage",
  float32: "FloatStorage",
  float16: "HalfStorage",
  bfloat16: "BFloat16Storage",
  int64: "LongStorage",
  int32: "IntStorage",
  int16: "ShortStorage",
  int8: "CharStorage",
  uint8: "ByteStorage",
  bool: "BoolStorage",
};

const raw = (text: string) => Buffer.from(text, "latin1");
const MARK = raw("(");
const TUPLE = raw("t");
const REDUCE = raw("R");
const EMPTY_TUPLE = raw(")");
const FALSE = raw("\x89");
const PERSISTENT = raw("Q");
const global = (module: string, name: string) => raw(`c${module}\n${name}\n`);
const ORDERED_DICT = Buffer.concat([global("collections", "OrderedDict"), EMPTY_TUPLE, REDUCE]);

function text(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  const head = Buffer.from("X\0\0\0\0", "latin1");
  head.writeUInt32LE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function integer(value: number): Buffer {
  const wide = value > 0x7fffffff;
  const bytes = Buffer.alloc(wide ? 10 : 5);
  if (wide) {
    bytes.write("\x8a\x08", "latin1");
    bytes.writeBigInt64LE(BigInt(value), 2);
  } else {
    bytes.write("J", "latin1");
    bytes.writeInt32LE(value, 1);
  }
  return bytes;
}

const integers = (values: readonly number[]) => [MARK, ...values.map(integer), TUPLE];

/** _rebuild_tensor_v2(storage, 0, shape, strides, requires_grad, hooks). */
function tensorPickle({ dtype, shape }: RawTensor, key: string): Buffer[] {
  const count = shape.reduce((a, b) => a * b, 1);
  const strides = shape.map((_, k) => shape.slice(k + 1).reduce((a, b) => a * Math.max(b, 1), 1));
  return [
    global("torch._utils", "_rebuild_tensor_v2"),
    MARK,
    ...[
      MARK,
      text("storage"),
      global("torch", STORAGE[dtype]),
      text(key),
      text("cpu"),
      integer(count),
      TUPLE,
      PERSISTENT,
    ],
    integer(0),
    ...integers(shape),
    ...integers(strides),
    FALSE,
    ORDERED_DICT,
    TUPLE,
    REDUCE,
  ];
}

function check(name: string, { dtype, shape, data }: RawTensor): void {
  const where = `encodePt: tensor ${JSON.stringify(name)}`;
  if (/\p{Surrogate}/u.test(name)) throw new UsageError(expected(where, "a name of valid text", name));
  const size = byteLength(dtype, shape);
  if (data.length !== size) throw new UsageError(expected(where, `${size} bytes for ${dtype} [${shape}]`, data.length));
}

/**
 * The bytes of a `.pt` file, in chunks: a state_dict with the tensors in the map's order, each contiguous and with a storage of its own.
 * The same input gives the same bytes. UsageError at 4 GB: safetensors have no such limit.
 */
export function encodePt(tensors: ReadonlyMap<string, RawTensor>): Uint8Array[] {
  const pickle: Buffer[] = [raw("\x80\x02"), ORDERED_DICT, MARK];
  const storages: [string, Uint8Array][] = [];
  for (const [name, tensor] of tensors) {
    check(name, tensor);
    const key = String(storages.length);
    pickle.push(text(name), ...tensorPickle(tensor, key));
    storages.push([`archive/data/${key}`, tensor.data]);
  }
  pickle.push(raw("u."));
  return storedZip([
    ["archive/data.pkl", Buffer.concat(pickle)],
    ["archive/byteorder", raw("little")],
    ...storages,
    ["archive/version", raw("3\n")],
  ]);
}
