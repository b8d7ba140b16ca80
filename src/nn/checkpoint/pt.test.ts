import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { crc32, deflateRawSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { fromBytes, ops, scope } from "../../torch/index.js";
import { DataError } from "../../util/errors.js";
import { storedZip } from "../../util/zip-write.js";
import { decodePt, readPt } from "./pt.js";
import { isPtTensor, type PtValue } from "./pt-values.js";

const folder = fileURLToPath(new URL("../../../test/golden/data/pt/", import.meta.url));
const expected = JSON.parse(readFileSync(`${folder}expected.json`, "utf8"));

/** A value as make.py writes it into JSON; tensors through libtorch, as float64. */
function plain(value: PtValue): unknown {
  if (isPtTensor(value)) {
    const { data, shape, dtype } = value;
    return {
      dtype,
      shape,
      values: scope(() => [...ops.to(fromBytes(data, shape, dtype), "float64").toArray()].map(Number)),
    };
  }
  if (value instanceof Map) return { pairs: [...value].map(([k, v]) => [plain(k), plain(v)]) };
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value) || value instanceof Set) return [...value].map(plain);
  return typeof value === "bigint" ? { integer: String(value) } : value;
}

function refusal(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(DataError);
    return (error as DataError).message;
  }
  throw new Error("accepted");
}

/** A zip file with this pickle, in latin1, and these storages. */
function withPickle(pickle: string, storages: Readonly<Record<string, Uint8Array>> = {}): Buffer {
  const data = Object.entries(storages).map(([key, bytes]) => [`a/data/${key}`, bytes] as const);
  return Buffer.concat(storedZip([["a/data.pkl", Buffer.from(pickle, "latin1")], ...data]));
}

const refused = (pickle: string, storages: Readonly<Record<string, Uint8Array>> = {}) =>
  refusal(() => decodePt(withPickle(pickle, storages), "f.pt"));

/** A float tensor of storage "0" with these opcodes for count, offset, shape and strides. */
const tensorPickle = (count: string, offset: string, shape: string, strides: string) =>
  `\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpu${count}tQ${offset}${shape}${strides}\x89NtR.`;

describe("files of PyTorch 1.13", () => {
  const files = ["net", "hydra", "views", "values"].flatMap((name) =>
    ["zip", "legacy", "zip4"].map((kind) => [name, kind] as const),
  );

  test.each(files)("%s, %s: every value and tensor is what PyTorch has", (name, kind) => {
    const file = readPt(`${folder}${name}-${kind}.pt`);
    expect(file.format).toBe(kind === "legacy" ? "legacy" : "zip");
    expect(plain(file.value)).toEqual(expected[name]);
  });

  test.each(files)("%s, %s: the same from memory, at any alignment", (name, kind) => {
    const bytes = readFileSync(`${folder}${name}-${kind}.pt`);
    const shifted = Buffer.alloc(bytes.length + 1);
    bytes.copy(shifted, 1);
    expect(plain(decodePt(shifted.subarray(1), "memory").value)).toEqual(expected[name]);
  });

  test("views of one storage share its memory", () => {
    const { value } = readPt(`${folder}views-zip.pt`);
    const [base, row] = ["base", "row"].map((name) => (value as Map<string, PtValue>).get(name));
    if (!isPtTensor(base) || !isPtTensor(row)) throw new Error("no tensors");
    expect(row.data.buffer).toBe(base.data.buffer);
    expect(row.data.byteOffset - base.data.byteOffset).toBe(2 * 6 * 4);
  });
});

describe("what is refused, and why", () => {
  test.each([
    ["module-zip.pt", "a whole pickled module: the class torch.nn.modules.container.Sequential"],
    ["module-legacy.pt", "a whole pickled module: the class torch.nn.modules.linear.Linear"],
    ["class-zip.pt", "a whole pickled module: the class tiny_models.Net"],
    ["hostile-zip.pt", "the class or function posix.system, which is not on the list"],
    ["hostile-legacy.pt", "the class or function posix.system, which is not on the list"],
    ["script.pt", "a TorchScript archive"],
    ["complex-zip.pt", "torch.ComplexFloatStorage: tensors of this kind are not read"],
  ])("%s", (name, reason) => {
    expect(refusal(() => readPt(folder + name))).toContain(reason);
    expect(existsSync("s2ap-was-here")).toBe(false);
  });

  test.each([
    ["", "an empty file"],
    ["\n<!DOCTYPE html><html>Google Drive - Virus scan warning", "a web page"],
    ["version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"],
    ["\x1f\x8b\x08", "gzip"],
    ["\x80\x03]q\x00.", "a pickle by another program"],
    ['\x10\0\0\0\0\0\0\0{"a":{}}', "safetensors"],
    ["hello", "5 bytes of something else"],
    [`${"a".repeat(257)}ustar\0`, "a tar archive"],
  ])("a file that begins %j", (text, reason) => {
    expect(refusal(() => decodePt(Buffer.from(text, "latin1"), "f.pt"))).toContain(reason);
  });

  test("no file, and a folder", () => {
    expect(refusal(() => readPt(`${folder}none.pt`))).toContain("no such file");
    expect(refusal(() => readPt(folder))).toContain("a folder");
  });

  test.each([
    ["a call of a text", "\x80\x02U\x01a)R.", "a class or function to call"],
    ["an unknown name", "\x80\x04\x8c\x08builtins\x8c\x04eval\x93.", "builtins.eval"],
    ["a class as a value", "\x80\x02ccollections\nOrderedDict\n.", "the class collections.OrderedDict"],
    [
      "a storage as a value",
      "\x80\x02(U\x07storagectorch\nByteStorage\nU\x010U\x03cpuK\x00tQ.",
      "its bytes in the archive",
    ],
    ["an opcode of code", "\x80\x02(ios\nsystem\n.", "0x69"],
    ["protocol 5", "\x80\x05N.", "protocol 5"],
    ["no end", "\x80\x02N", "1 more bytes"],
    ["too little text", "\x80\x02X\xff\xff\xff\x7fabc.", "2147483647 more bytes"],
    ["an empty stack", "\x80\x02.", "a value on the stack"],
    ["an open mark", "\x80\x02(N.", "one value at the end"],
    ["marks without end", `\x80\x02${"(".repeat(2000)}.`, "at most 1000 open marks"],
    ["no mark", "\x80\x02Nt.", "an open mark"],
    ["memory of nothing", "\x80\x02h\x05.", "a value that was stored before"],
    ["a key without a value", "\x80\x02}(Nu.", "a value for each key"],
    ["broken text", "\x80\x02X\x01\0\0\0\xff.", "text in UTF-8"],
    ["a list that holds itself", "\x80\x02]q\x00h\x00a.", "do not contain themselves"],
    ["a state for a text", "\x80\x02U\x01a}b.", "a state only for objects"],
    [
      "rebuilding by itself",
      "\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n]q\x00(ctorch._tensor\n_rebuild_from_type_v2\nNh\x00eR.",
      "a tensor in each parameter",
    ],
  ])("%s", (_, pickle, reason) => {
    expect(refused(pickle)).toContain(reason);
  });

  test("depth, and lists that hold each other", () => {
    expect(decodePt(withPickle(`\x80\x02${"]".repeat(101)}${"a".repeat(100)}.`), "f.pt").format).toBe("zip");
    expect(refused(`\x80\x02${"]".repeat(102)}${"a".repeat(101)}.`)).toContain("100 deep");
    expect(refused(`\x80\x02${"]".repeat(50_000)}${"a".repeat(49_999)}.`)).toContain("100 deep");
    const level = (k: number) => `](${`h${String.fromCharCode(k)}`.repeat(10)}eq${String.fromCharCode(k + 1)}0`;
    const bomb = Array.from({ length: 9 }, (__, k) => level(k)).join("");
    expect(refused(`\x80\x02]q\x000${bomb}h\x09.`)).toContain("when written out");
  });

  test("more objects than the bound allows", () => {
    expect(refused(`\x80\x02(${"}".repeat(400_000)}l.`)).toContain("values that need at most");
  });
});

describe("tensors and their storages", () => {
  const four = { "0": new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer) };

  test("a view is read", () => {
    const { value } = decodePt(withPickle(tensorPickle("K\x04", "K\x01", "K\x02\x85", "K\x02\x85"), four), "f.pt");
    expect(plain(value)).toEqual({ dtype: "float32", shape: [2], values: [2, 4] });
  });

  test.each([
    ["past the end", "K\x04", "K\x01", "K\x04\x85", "K\x01\x85", "within its storage of 4 elements"],
    ["a stride past the end", "K\x04", "K\x00", "K\x02\x85", "K\x04\x85", "within its storage of 4 elements"],
    ["a negative offset", "K\x04", "J\xff\xff\xff\xff", "K\x02\x85", "K\x01\x85", "offset of a tensor"],
    ["a negative stride", "K\x04", "K\x03", "K\x02\x85", "J\xff\xff\xff\xff\x85", "strides of a tensor"],
    ["another rank", "K\x04", "K\x00", "K\x02\x85", "K\x01K\x01\x86", "1 strides"],
    ["half an element", "K\x04", "K\x00", "G\x3f\xe0\0\0\0\0\0\0\x85", "K\x01\x85", "shape of a tensor"],
    [
      "a size beyond counting",
      "K\x04",
      "K\x00",
      `(${"J\xff\xff\xff\x7f".repeat(3)}t`,
      `(${"K\0".repeat(3)}t`,
      "whose size can be counted",
    ],
    ["a spread of terabytes", "K\x04", "K\x00", "J\xff\xff\xff\x7fK\xff\x86", "K\0K\0\x86", "values that need at most"],
    ["another number of elements", "K\x05", "K\x00", "K\x02\x85", "K\x01\x85", "20 bytes, as its 5 elements need"],
  ])("%s", (_, count, offset, shape, strides, reason) => {
    expect(refused(tensorPickle(count, offset, shape, strides), four)).toContain(reason);
  });

  test("bools that are none", () => {
    const pickle = tensorPickle("K\x04", "K\x00", "K\x04\x85", "K\x01\x85").replace("Float", "Bool");
    expect(refused(pickle, { "0": Uint8Array.of(0, 1, 2, 1) })).toContain("bool");
  });
});

describe("archives", () => {
  /** Changes an entry in the list of files; `at` is where its record begins. */
  function patch(archive: Buffer, name: string, change: (at: number) => void): Buffer {
    change(archive.lastIndexOf(name) - 46);
    return archive;
  }

  const deflated = (size: number, lie = size) => {
    const bytes = Buffer.alloc(size);
    const archive = Buffer.concat(
      storedZip([
        ["a/data.pkl", Buffer.from("\x80\x02N.", "latin1")],
        ["a/data/0", deflateRawSync(bytes)],
      ]),
    );
    return patch(archive, "a/data/0", (at) => {
      archive.writeUInt16LE(8, at + 10);
      archive.writeUInt32LE(crc32(bytes), at + 16);
      archive.writeUInt32LE(lie, at + 24);
    });
  };

  test("deflated entries are read; more than 20 times the file's size is refused", () => {
    expect(decodePt(deflated(4000), "f.pt").value).toBe(null);
    expect(refusal(() => decodePt(deflated(1_000_000), "f.pt"))).toContain("at most 20 times");
  });

  test("an entry that unpacks to more than it says, or to less", () => {
    const pickle = Buffer.from(`\x80\x02(${"N".repeat(2000)}l.`, "latin1");
    for (const [size, reason] of [
      [1000, "deflated bytes"],
      [2500, "2500 bytes"],
    ] as const) {
      const archive = Buffer.concat(
        storedZip([
          ["a/data.pkl", deflateRawSync(pickle)],
          ["a/data/0", new Uint8Array(200)],
        ]),
      );
      const lying = patch(archive, "a/data.pkl", (at) => {
        archive.writeUInt16LE(8, at + 10);
        archive.writeUInt32LE(size, at + 24);
      });
      expect(refusal(() => decodePt(lying, "f.pt"))).toContain(reason);
    }
  });

  test("entries that share bytes", () => {
    const archive = withPickle("\x80\x02N.", { "0": new Uint8Array(9) });
    const shared = patch(archive, "a/data/0", (at) => archive.writeUInt32LE(0, at + 42));
    expect(refusal(() => decodePt(shared, "f.pt"))).toMatch(/overlaps|bytes of its own/);
  });

  test("a wrong checksum, big-endian numbers, no pickle, two of them", () => {
    const archive = withPickle("\x80\x02N.");
    expect(
      refusal(() =>
        decodePt(
          patch(archive, "a/data.pkl", (at) => archive.writeUInt32LE(1, at + 16)),
          "f",
        ),
      ),
    ).toContain("checksum");
    const pickle = Buffer.from("\x80\x02N.", "latin1");
    const zip = (...names: string[]) =>
      Buffer.concat(storedZip(names.map((name) => [name, name.endsWith("r") ? Buffer.from("big") : pickle])));
    expect(refusal(() => decodePt(zip("a/data.pkl", "a/byteorder"), "f"))).toContain("byteorder big");
    expect(refusal(() => decodePt(zip("photo.png"), "f"))).toContain("a zip archive of photo.png");
    expect(refusal(() => decodePt(zip("a/data.pkl", "b/data.pkl"), "f"))).toContain("b/data.pkl");
  });

  test("a file cut short anywhere", () => {
    for (const name of ["net-zip.pt", "net-legacy.pt"]) {
      const bytes = readFileSync(folder + name);
      for (let length = 0; length < bytes.length; length += 13)
        refusal(() => decodePt(bytes.subarray(0, length), name));
    }
  });
});
