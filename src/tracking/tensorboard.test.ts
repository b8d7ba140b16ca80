import { spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRun, type Run, type RunEvent } from "../run/index.js";
import { follow, pointsOf, tensorboard, timeOf } from "./index.js";
import { crc32c, frame, maskedCrc } from "./tf-record.js";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "s2ap-tensorboard-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

interface Parsed {
  readonly version: string;
  readonly points: readonly (readonly [tag: string, step: number, value: number, seconds: number])[];
}

/** What a reader that shares no code with the writer finds; it checks every checksum. */
function parse(path: string): Parsed {
  const { stdout, stderr } = spawnSync("python3", [resolve("test/support/read-tfevents.py"), path], {
    encoding: "utf8",
  });
  if (stderr !== "") throw new Error(stderr);
  return JSON.parse(stdout) as Parsed;
}

const expectedOf = (events: readonly RunEvent[]) =>
  events.flatMap((event) =>
    pointsOf(event).map(({ tag, step, value }) => [tag, step, Math.fround(value), timeOf(event) / 1000]),
  );

const second = (n: number) => new Date(Date.UTC(2026, 0, 15, 9, 0, n)).toISOString();
const step = (n: number, loss = 1 / n): RunEvent => ({
  ...{ type: "step", at: second(n), stage: "search", epoch: 0, step: n, loss, lr: 0.1, robustAccuracy: 0.3 },
  imagesPerSecond: 800,
});
const steps = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => step(from + i));
const file = () => join(root, "events.out.tfevents.s2ap");

describe("records", () => {
  test("have the checksums of RFC 3720", () => {
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from(Uint8Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e);
  });

  test("are a length and bytes, each with its masked checksum", () => {
    const record = frame(Buffer.from("abc"));
    expect(record.length).toBe(8 + 4 + 3 + 4);
    expect(record.readBigUInt64LE(0)).toBe(3n);
    expect(record.readUInt32LE(15)).toBe(maskedCrc(Buffer.from("abc")));
    expect(maskedCrc(Buffer.alloc(32))).toBe((((0x8a9136aa >>> 15) | (0x8a9136aa << 17)) + 0xa282ead8) >>> 0);
  });
});

describe("an event file", () => {
  test("holds every number, read by a parser of its own", () => {
    const events = [...steps(1, 3), { ...step(4), step: 5_000_000_000 }];
    const sink = tensorboard(root);
    sink.write(events.slice(0, 2), true);
    sink.write(events.slice(2), false);
    expect(parse(file())).toEqual({ version: "brain.Event:2", points: expectedOf(events) });
  });

  test("a damaged byte is seen by that parser", () => {
    tensorboard(root).write(steps(1, 2), true);
    const bytes = readFileSync(file());
    bytes[60] = (bytes[60] ?? 0) ^ 1;
    writeFileSync(file(), bytes);
    expect(() => parse(file())).toThrow("checksum");
  });

  test("is the same bytes whether written at once, in parts, again, or after a torn write", () => {
    const events = steps(1, 9);
    tensorboard(root).write(events, true);
    const bytes = readFileSync(file());
    for (const cut of [bytes.length, bytes.length - 7, 300, 20, 0]) {
      truncateSync(file(), cut);
      const sink = tensorboard(root);
      sink.write(events.slice(0, 4), true);
      sink.write(events.slice(4), false);
      expect(readFileSync(file()).equals(bytes)).toBe(true);
    }
    appendFileSync(file(), "rubbish");
    tensorboard(root).write(events, true);
    expect(readFileSync(file()).equals(bytes)).toBe(true);
  });

  test("has no point twice after a run was cut back to its checkpoint and went on", () => {
    const sink = tensorboard(root);
    sink.write(steps(1, 8), true);
    const again = [...steps(1, 3), step(4, 9), step(5, 9)];
    sink.write(again, true);
    sink.write([step(6, 9)], false);
    expect(parse(file()).points).toEqual(expectedOf([...again, step(6, 9)]));
  });
});

describe("following", () => {
  const log = (run: Run, n: number) => {
    const { at: _at, ...event } = step(n) as RunEvent & { type: "step" };
    run.append(event);
  };
  const found = (run: string) => {
    const { points } = parse(join(root, run, "tensorboard", "events.out.tfevents.s2ap"));
    return points.filter(([tag]) => tag === "search/step/loss").map(([, at]) => at);
  };

  test("goes along with every run of an experiment, through a resume, and is up to date at its end", async () => {
    const warnings: string[] = [];
    const follower = follow(root, [({ folder }) => tensorboard(join(folder, "tensorboard"))], {
      onWarning: (text) => warnings.push(text),
    });
    using first = openRun(join(root, "first"), { seed: 1 });
    log(first, 1);
    follower.poll();
    const { byteLength } = first;
    using second = openRun(join(root, "second"), { seed: 1 });
    log(first, 2);
    log(second, 1);
    follower.poll();
    expect([found("first"), found("second")]).toEqual([[1, 2], [1]]);
    first.truncate(byteLength);
    log(first, 2);
    log(first, 3);
    await follower.close();
    expect([found("first"), found("second"), warnings]).toEqual([[1, 2, 3], [1], []]);
  });

  test("a tracker that fails is a warning, once, and the others go on", async () => {
    const warnings: string[] = [];
    const broken = {
      name: "broken",
      write: () => {
        throw new Error("no room");
      },
      close: async () => {},
    };
    const follower = follow(root, [() => broken, ({ folder }) => tensorboard(join(folder, "tensorboard"))], {
      onWarning: (text) => warnings.push(text),
    });
    using run = openRun(join(root, "first"), { seed: 1 });
    log(run, 1);
    follower.poll();
    log(run, 2);
    await follower.close();
    expect(warnings).toEqual(["first: no more is written to broken: no room"]);
    expect(found("first")).toEqual([1, 2]);
  });
});
