import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, test } from "vitest";
import { edit, edited } from "../../../test/support/edits.js";
import { DataError } from "../../util/errors.js";
import { storedZip } from "../../util/zip-write.js";
import { decodePt } from "./pt.js";
import { encodePt } from "./pt-write.js";

const folder = fileURLToPath(new URL("../../../test/golden/data/pt/", import.meta.url));
const real = readdirSync(folder)
  .filter((name) => name.endsWith(".pt"))
  .map((name) => readFileSync(folder + name));

/** Reads or is refused with our error, soon. */
function survives(bytes: Uint8Array): void {
  const start = performance.now();
  try {
    decodePt(bytes, "f.pt");
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    expect(error.message.length).toBeLessThan(1500);
  }
  expect(performance.now() - start).toBeLessThan(5000);
}

/** The pickle of a real file: of a zip archive, the first entry's bytes; a legacy file begins with pickles. */
function pickleOf(bytes: Buffer): Buffer {
  if (bytes.toString("latin1", 0, 2) !== "PK") return bytes;
  const at = 30 + bytes.readUInt16LE(26) + bytes.readUInt16LE(28);
  return bytes.subarray(at, bytes.indexOf(".PK", at) + 1);
}

test("real files with changed bytes end in our error or in values", () => {
  fc.assert(
    fc.property(fc.constantFrom(...real), fc.array(edit, { minLength: 1, maxLength: 4 }), (bytes, edits) => {
      survives(edited(bytes, edits));
    }),
    { numRuns: 1500 },
  );
});

test("pickles of real files with changed bytes, in archives whose checksums are right", () => {
  const pickles = real.map(pickleOf);
  expect(pickles.filter((pickle) => pickle[0] === 0x80 && pickle.length > 50).length).toBeGreaterThan(14);
  const storages = Array.from({ length: 10 }, (_, k) => [`a/data/${k}`, new Uint8Array(16 * k)] as const);
  fc.assert(
    fc.property(fc.constantFrom(...pickles), fc.array(edit, { minLength: 1, maxLength: 3 }), (pickle, edits) => {
      survives(Buffer.concat(storedZip([["a/data.pkl", edited(pickle, edits)], ...storages])));
    }),
    { numRuns: 1500 },
  );
});

/** Opcodes with arguments that are likely to fit, so that programs get far. */
const words = [
  ..."NQRabdelstu.012()]}",
  ..."\x81\x85\x86\x87\x88\x8f\x90\x91\x93\x94",
  ...[
    "K\x02",
    "M\x00\x01",
    "U\x010",
    "U\x07storage",
    "X\x01\0\0\0a",
    "C\x02ab",
    "q\x00",
    "q\x01",
    "h\x00",
    "h\x01",
    "J\xff\xff\xff\xff",
  ],
  ...[
    "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00",
    "G\x3f\xf0\0\0\0\0\0\0",
    "\x8b\xff\xff\xff\x7f",
    "\x95\0\0\0\0\0\0\0\0",
  ],
  ...[
    "collections\nOrderedDict",
    "collections\nCounter",
    "argparse\nNamespace",
    "torch._utils\n_rebuild_tensor_v2",
    "torch\nSize",
  ].map((g) => `c${g}\n`),
  ...[
    "torch\nFloatStorage",
    "torch\nfloat32",
    "numpy\ndtype",
    "numpy.core.multiarray\nscalar",
    "_codecs\nencode",
    "torch\ndevice",
  ].map((g) => `c${g}\n`),
  ...[
    "numpy.core.multiarray\n_reconstruct",
    "builtins\nset",
    "torch._tensor\n_rebuild_from_type_v2",
    "pathlib\nPosixPath",
  ].map((g) => `c${g}\n`),
  "(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x04tQ",
];

test("programs of random opcodes", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { maxLength: 60 }), (program) => {
      const pickle = Buffer.from(`\x80\x02${program.join("")}.`, "latin1");
      survives(
        Buffer.concat(
          storedZip([
            ["a/data.pkl", pickle],
            ["a/data/0", new Uint8Array(16)],
          ]),
        ),
      );
    }),
    { numRuns: 3000 },
  );
});

test("the bound on memory holds for pickles of nothing but objects", () => {
  const heavy = [
    "}",
    "]",
    ")",
    "\x8f",
    "K\x01\x85",
    "(",
    "2",
    "}q\x00",
    "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00",
    "ccollections\nOrderedDict\n)R",
  ];
  for (const unit of heavy) {
    const repeated = Buffer.from(unit, "latin1");
    const pickle = Buffer.concat([
      Buffer.from("\x80\x02]", "latin1"),
      Buffer.alloc(4_000_000 - (4_000_000 % repeated.length), repeated),
    ]);
    const archive = Buffer.concat(storedZip([["a/data.pkl", pickle]]));
    const before = process.memoryUsage.rss();
    survives(archive);
    expect((process.memoryUsage.rss() - before) / 2 ** 20, JSON.stringify(unit)).toBeLessThan(64 + 2 * 4);
  }
});

test("a file of our own with any one byte changed", () => {
  const bytes = Buffer.concat(encodePt(new Map([["w", { dtype: "bool", shape: [2, 3], data: new Uint8Array(6) }]])));
  for (let i = 0; i < bytes.length; i++) {
    for (const byte of [0, 1, 0x50, 0x7f, 0x80, 0xff]) survives(edited(bytes, [{ at: i, byte, kind: "set" }]));
  }
});
