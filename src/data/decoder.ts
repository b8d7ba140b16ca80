// Decoding off the thread that trains. That thread runs synchronously, so it cannot take part in anything asynchronous: it posts
// requests to one worker thread, which writes pixels into shared memory, and sleeps on a shared number until the one it needs is done.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import { DataError, expected, S2apError } from "../util/index.js";

/** What of an image to decode: a region (default all), scaled to a size, of which a window is kept (default all). */
export interface ImageJob {
  readonly path: string;
  /** It has an alpha channel. */
  readonly transparent?: boolean | undefined;
  /** In pixels of the image as it is seen, with its orientation applied. */
  readonly region?: Rectangle | undefined;
  readonly size: { readonly width: number; readonly height: number };
  readonly window?: { readonly left: number; readonly top: number } | undefined;
  readonly mirror: boolean;
}

export interface Rectangle {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** An image that could not be decoded: its place in the request, and why. */
export interface Failure {
  readonly at: number;
  readonly reason: string;
}

/** What the worker is told. Pixels go to `memory`, uint8 [jobs,side,side,3]. */
export interface DecodeRequest {
  readonly id: number;
  readonly jobs: readonly ImageJob[];
  readonly memory: SharedArrayBuffer;
  readonly side: number;
  /** Images in work at a time. */
  readonly decoders: number;
}

/** What the worker begins with. */
export interface WorkerStart {
  readonly port: MessagePort;
  /** Grows whenever an image is done. */
  readonly signal: Int32Array;
}

type Answer = { readonly id: number; readonly failures: readonly Failure[] } | { readonly dead: true };

/** No image takes that long, not even from a disk far away. */
const SILENCE_MS = 180_000;

/** The other thread, as seen from this one. */
export interface Decoder {
  /** Begins; the caller leaves `memory` alone until `wait` returns. Gives the request's number. */
  ask(request: Omit<DecodeRequest, "id">): number;
  /** Sleeps until a request is done, and gives what failed; each request must be waited for once. */
  wait(id: number): readonly Failure[];
}

function startDecoder(): Decoder {
  const { port1: port, port2: theirs } = new MessageChannel();
  const signal = new Int32Array(new SharedArrayBuffer(4));
  const workerData: WorkerStart = { port: theirs, signal };
  const url = new URL("./decode-worker.js", import.meta.url);
  // Of a worker without a program this thread, asleep, would hear only that nothing comes.
  if (!existsSync(url)) {
    throw new S2apError(
      `${expected("image decoder", `its program ${fileURLToPath(url)}`, "no file")}; run scripts/bootstrap`,
    );
  }
  // Flags of this process may be none that a worker takes.
  const worker = new Worker(url, { name: "decoder", workerData, transferList: [theirs], execArgv: [] });
  // It ends with the thread that started it, and keeps nobody waiting. What it dies of comes as an answer, or as silence.
  worker.unref();
  worker.on("error", () => {});
  const done = new Map<number, readonly Failure[]>();
  let dead = false;
  let next = 0;

  function collect(): void {
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      const answer = got.message as Answer;
      if ("dead" in answer) dead = true;
      else done.set(answer.id, answer.failures);
    }
  }

  return {
    ask(request) {
      const id = next++;
      worker.postMessage({ ...request, id } satisfies DecodeRequest);
      return id;
    },
    wait(id) {
      for (;;) {
        const seen = Atomics.load(signal, 0);
        collect();
        const failures = done.get(id);
        if (failures) {
          done.delete(id);
          return failures;
        }
        if (dead) throw new S2apError("image decoder: expected a running thread, got one that ended");
        if (Atomics.wait(signal, 0, seen, SILENCE_MS) === "timed-out") {
          const what = expected("image decoder", "an image", `nothing for ${SILENCE_MS / 1000} s`);
          throw new DataError(`${what}; is the disk that holds the images still there?`, { code: "data/decoder" });
        }
      }
    },
  };
}

let running: Decoder | undefined;

/** The decoder of this thread, started on first use; it ends with the thread. */
export function decoder(): Decoder {
  running ??= startDecoder();
  return running;
}
