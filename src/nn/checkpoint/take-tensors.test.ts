import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { scope, tensorMemory, toBytes } from "../../torch/index.js";
import { readPt } from "./pt.js";
import { isPtTensor } from "./pt-values.js";
import { encodePt } from "./pt-write.js";
import { encodeSafetensors, type RawTensor, readSafetensors } from "./safetensors.js";
import { takeTensors } from "./tensors.js";

const folder = mkdtempSync(join(tmpdir(), "s2ap-take-"));
afterAll(() => rmSync(folder, { recursive: true }));

const COUNT = 1 << 19;
const large = new Uint8Array(Float32Array.from({ length: COUNT }, (_, i) => i).buffer);
const small = new Uint8Array(Float32Array.of(1, 2).buffer);
const written = new Map<string, RawTensor>([
  ["large", { dtype: "float32", shape: [COUNT], data: large }],
  ["small", { dtype: "float32", shape: [1, 2], data: small }],
  ["empty", { dtype: "int64", shape: [0], data: new Uint8Array(0) }],
]);

function fromPt(): Map<string, RawTensor> {
  const path = join(folder, "a.pt");
  writeFileSync(path, Buffer.concat(encodePt(written)));
  const { value } = readPt(path, { memory: tensorMemory });
  if (!(value instanceof Map)) throw new Error("no dict");
  return new Map([...value].flatMap(([name, raw]) => (isPtTensor(raw) ? [[String(name), raw] as const] : [])));
}

function fromSafetensors(): ReadonlyMap<string, RawTensor> {
  const path = join(folder, "a.safetensors");
  writeFileSync(path, Buffer.concat(encodeSafetensors({ tensors: written })));
  return readSafetensors(path, { memory: tensorMemory }).tensors;
}

test.each([
  ["pt", fromPt],
  ["safetensors", fromSafetensors],
])("tensors of %s have the file's bytes; large ones take their memory over", (_, read) => {
  const raw = read();
  scope(() => {
    const taken = takeTensors(raw);
    expect([...taken.keys()]).toEqual([...written.keys()]);
    for (const [name, { data, shape, dtype }] of written) {
      const tensor = taken.get(name);
      expect([tensor?.shape, tensor?.dtype]).toEqual([shape, dtype]);
      expect(tensor && Buffer.compare(toBytes(tensor), data)).toBe(0);
    }
  });
  expect(raw.get("large")?.data.length).toBe(0);
  expect(raw.get("small")?.data.length).toBe(8);
});

test("tensors that share memory are copied, so that none is another's", () => {
  const [one] = fromPt().values();
  if (one === undefined) throw new Error("no tensor");
  scope(() => {
    const taken = takeTensors(new Map(["a", "b"].map((name) => [name, one])));
    for (const tensor of taken.values()) expect(Buffer.compare(toBytes(tensor), large)).toBe(0);
  });
  expect(one.data.length).toBe(large.length);
});

test("a flipped bit of a tensor is seen by its checksum, unless that is not looked at", () => {
  const path = join(folder, "flipped.pt");
  const bytes = Buffer.concat(encodePt(written));
  const at = bytes.indexOf(large.subarray(4, 64));
  bytes[at] = (bytes[at] as number) ^ 1;
  writeFileSync(path, bytes);
  expect(() => readPt(path)).toThrow(/checksum \d+, got "\d+: the file is damaged/);
  expect(readPt(path, { checksums: false }).value).toBeInstanceOf(Map);
});
