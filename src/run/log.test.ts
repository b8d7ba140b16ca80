import * as fs from "node:fs";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DataError } from "../util/index.js";
import { eventReader, type NewEvent, readEvents, withoutTimes } from "./index.js";
import { openLog } from "./log.js";

vi.mock("node:fs", async (original) => {
  const real = await original<typeof import("node:fs")>();
  return { ...real, writeSync: vi.fn(real.writeSync), fsyncSync: vi.fn(real.fsyncSync) };
});

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "s2ap-log-"));
  path = join(folder, "events.jsonl");
  vi.mocked(fs.writeSync).mockClear();
  vi.mocked(fs.fsyncSync).mockClear();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function warning(message: string): NewEvent {
  return { type: "warning", code: "test", message };
}

function step(n: number): NewEvent {
  return {
    type: "step",
    stage: "search",
    epoch: 0,
    step: n,
    loss: 1,
    lr: 0.1,
    robustAccuracy: 0.5,
    imagesPerSecond: 9,
  };
}

function messages(): unknown[] {
  return readEvents(folder).map((event) => (event.type === "warning" ? event.message : event.type));
}

describe("openLog", () => {
  test("appends one whole line per write call and counts bytes", () => {
    using log = openLog(path);
    log.append(warning("grüße\nzwei"));
    log.append(step(1));
    expect(fs.writeSync).toHaveBeenCalledTimes(2);
    expect(fs.fsyncSync).toHaveBeenCalledTimes(1);
    expect(log.byteLength).toBe(readFileSync(path).length);
    expect(messages()).toEqual(["grüße\nzwei", "step"]);
    expect(readEvents(folder)[0]?.at).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
    expect(withoutTimes(readEvents(folder)[1] as never)).toEqual({
      type: "step",
      stage: "search",
      epoch: 0,
      step: 1,
      loss: 1,
      lr: 0.1,
      robustAccuracy: 0.5,
    });
  });

  test("truncates to a checkpoint and goes on behind it", () => {
    const first = openLog(path);
    first.append(warning("a"));
    const at = first.byteLength;
    first.append(warning("b"));
    first.close();
    using log = openLog(path);
    log.truncate(at);
    log.append(warning("c"));
    expect(messages()).toEqual(["a", "c"]);
    expect(log.byteLength).toBe(readFileSync(path).length);
    log.truncate(0);
    expect(readFileSync(path).length).toBe(0);
  });

  test("refuses to truncate inside a line or behind the end", () => {
    using log = openLog(path);
    log.append(warning("a"));
    for (const at of [log.byteLength + 1, log.byteLength - 1, -1, 0.5]) {
      expect(() => log.truncate(at)).toThrow(DataError);
    }
    expect(messages()).toEqual(["a"]);
  });

  test("drops a line that a killed writer left half written", () => {
    writeFileSync(path, '{"type":"warning","code":"x","message":"a"}\n{"type":"war');
    using log = openLog(path);
    log.append(warning("b"));
    expect(messages()).toEqual(["a", "b"]);
  });

  test("a full disk is a DataError, and no part of a line stays", () => {
    using log = openLog(path);
    log.append(warning("a"));
    const real = vi.mocked(fs.writeSync).getMockImplementation() as typeof fs.writeSync;
    vi.mocked(fs.writeSync)
      .mockImplementationOnce(((fd: number, data: Uint8Array) => real(fd, data, 0, 5)) as typeof fs.writeSync)
      .mockImplementationOnce(() => {
        throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
      });
    expect(() => log.append(warning("b"))).toThrow(`${path}: cannot write: the disk is full; free some space`);
    expect(messages()).toEqual(["a"]);
    log.append(warning("c"));
    expect(messages()).toEqual(["a", "c"]);
  });
});

describe("readEvents", () => {
  test("a folder that is no run, and a damaged line, are DataErrors", () => {
    expect(() => readEvents(folder)).toThrow("expected a run folder");
    writeFileSync(path, '{"type":"warning"}\nnonsense\n{"type":"warning"}\n');
    expect(() => readEvents(folder)).toThrow(`${path}: expected an event at byte 19, got "nonsense"`);
    writeFileSync(path, "[1]\n");
    expect(() => readEvents(folder)).toThrow(DataError);
    writeFileSync(path, "null\n");
    expect(() => readEvents(folder)).toThrow(DataError);
  });
});

describe("eventReader", () => {
  test("yields whole lines only, wherever the writes fall", () => {
    const lines = ["ä", "bb", "c".repeat(300), "d"].map(
      (m) => `${JSON.stringify({ type: "warning", at: "", code: "x", message: m })}\n`,
    );
    const all = Buffer.from(lines.join(""), "utf8");
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: all.length }), { maxLength: 8 }), (cuts) => {
        writeFileSync(path, "");
        const reader = eventReader(folder);
        const seen: unknown[] = [];
        let from = 0;
        for (const to of [...cuts.sort((a, b) => a - b), all.length]) {
          appendFileSync(path, all.subarray(from, to));
          from = to;
          const { events, restarted } = reader.poll();
          expect(restarted).toBe(false);
          seen.push(...events);
          expect(reader.offset).toBe(all.subarray(0, to).lastIndexOf(10) + 1);
        }
        expect(seen).toEqual(readEvents(folder));
        expect(seen).toHaveLength(4);
      }),
      { numRuns: 60 },
    );
  });

  test("says when the log was cut back, even if it has grown again since", () => {
    using log = openLog(path);
    const reader = eventReader(folder);
    expect(reader.poll()).toEqual({ events: [], restarted: false });
    log.append(warning("a"));
    const at = log.byteLength;
    log.append(warning("b"));
    expect(reader.poll().events).toHaveLength(2);
    log.truncate(at);
    const cut = reader.poll();
    expect([cut.restarted, cut.events.length]).toEqual([true, 1]);
    log.append(warning("b"));
    expect(reader.poll()).toMatchObject({ restarted: false, events: [{ message: "b" }] });
    log.truncate(at);
    for (const m of ["x", "y", "z"]) log.append(warning(m));
    const grown = reader.poll();
    expect(grown.restarted).toBe(true);
    expect(grown.events.map((e) => e.type === "warning" && e.message)).toEqual(["a", "x", "y", "z"]);
  });

  test("waits for a log that is not there yet", () => {
    const reader = eventReader(folder);
    expect(reader.poll().events).toEqual([]);
    using log = openLog(path);
    log.append(warning("a"));
    expect(reader.poll()).toMatchObject({ restarted: false, events: [{ message: "a" }] });
  });

  test("goes on from another reader's cursor, without gap or double", () => {
    using log = openLog(path);
    const messagesOf = (reader: { poll(): { events: readonly unknown[] } }) =>
      reader.poll().events.map((event) => (event as { message: string }).message);
    for (let i = 0; i < 40; i++) log.append(warning(`first ${i}`));
    const first = eventReader(folder);
    first.poll();
    const at = log.byteLength;
    log.append(warning("second"));
    expect(messagesOf(eventReader(folder, { after: first.cursor }))).toEqual(["second"]);

    // Cut back and written anew, to the same length: the bytes tell.
    log.truncate(at);
    expect(eventReader(folder, { after: first.cursor }).poll()).toEqual({ events: [], restarted: false });
    const cursor = first.cursor;
    log.truncate(0);
    for (let i = 0; i < 40; i++) log.append(warning(`other ${i}`));
    const late = eventReader(folder, { after: cursor });
    const { events, restarted } = late.poll();
    expect([restarted, events.length]).toEqual([true, 40]);
    expect(late.poll()).toEqual({ events: [], restarted: false });
  });

  test.each(["", "12", "9e9-0123456789abcdef", "99999-0123456789abcdef", "-1-0123456789abcdef", "../x"])(
    "begins anew for the cursor %j, which is none of this log",
    (after) => {
      using log = openLog(path);
      log.append(warning("a"));
      expect(eventReader(folder, { after }).poll()).toMatchObject({ restarted: true, events: [{ message: "a" }] });
    },
  );

  test("reads no more than asked for, but always a whole line", () => {
    using log = openLog(path);
    for (const length of [10, 2000, 10, 10]) log.append(warning("x".repeat(length)));
    const reader = eventReader(folder, { most: 200 });
    const counts: number[] = [];
    while (reader.offset < log.byteLength) counts.push(reader.poll().events.length);
    expect(counts.reduce((a, b) => a + b)).toBe(4);
    expect(counts.length).toBeGreaterThan(1);
  });

  test("leaves damaged lines out where somebody is told", () => {
    writeFileSync(path, '{"type":"warning","message":"a"}\nnonsense\n{"type":"warning","message":"b"}\n');
    const told: string[] = [];
    const reader = eventReader(folder, { onDamaged: (error) => told.push(error.message) });
    expect(reader.poll().events).toMatchObject([{ message: "a" }, { message: "b" }]);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain("expected an event at byte 33");
    expect(reader.poll().events).toEqual([]);
    expect(told).toHaveLength(1);
  });
});
