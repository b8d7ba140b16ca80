// What is done with records that are there: compare two, check one.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compareRecords, type Robustness, verifyRecord } from "../../evaluation/index.js";
import { DataError, diskError, expected, UsageError } from "../../util/index.js";
import type { CompareResult, VerifyResult } from "./eval-options.js";
import type { Opened } from "./eval-source.js";

function fileOf(folder: string, name: string): string {
  const path = join(folder, name);
  if (existsSync(path)) return path;
  const what = "the folder of a finished evaluation (--out)";
  throw new DataError(`${expected(folder, what, `none with ${name}`)}; run it to its end`, { code: "data/record" });
}

function readBytes(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw diskError(path, error, "read");
  }
}

/** What an evaluation found, from its folder. */
export function readResult(folder: string): Robustness {
  const path = fileOf(folder, "result.json");
  const wrong = (cause?: unknown) =>
    new DataError(expected(path, "what an evaluation wrote", "other contents: the file is damaged"), {
      code: "data/record",
      cause,
    });
  let result: Robustness;
  try {
    result = JSON.parse(readBytes(path).toString("utf8")) as Robustness;
  } catch (error) {
    if (error instanceof SyntaxError) throw wrong(error);
    throw error;
  }
  if (!Array.isArray(result.images) || typeof result.after !== "object") throw wrong();
  return result;
}

export function compareJob(folders: readonly string[]): CompareResult {
  const [a, b, ...more] = folders;
  if (a === undefined || b === undefined || more.length > 0) {
    throw new UsageError(expected("--compare", "the folders of two records", folders.join(" ")));
  }
  return { kind: "comparison", records: [a, b], ...compareRecords(readResult(a), readResult(b)) };
}

/** Asks the network once more about every adversarial example of a record. */
export function verifyJob(folder: string, { model, split }: Opened): VerifyResult {
  const { examples, cleanAccuracy, robustAccuracy: said } = readResult(folder);
  return {
    kind: "verified",
    record: folder,
    examples,
    cleanAccuracy,
    recorded: said,
    ...verifyRecord(folder, model, split),
  };
}
