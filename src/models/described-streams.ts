import { DataError, expected } from "../util/index.js";
import type { Operation } from "./described-operations.js";
import type { Stream } from "./model.js";

interface Channels {
  writers: string[];
  readers: string[];
  /** Where these were added to others: the stream that holds both. */
  into?: Channels;
}

function root(channels: Channels): Channels {
  return channels.into ? root(channels.into) : channels;
}

/** Makes one stream of two whose values are added. */
function join(a: Channels, b: Channels): Channels {
  const [kept, gone] = [root(a), root(b)];
  if (kept === gone) return kept;
  kept.writers.push(...gone.writers);
  kept.readers.push(...gone.readers);
  gone.into = kept;
  return kept;
}

/** Operations that take the channels of a token as a whole. */
const TOKENWISE: ReadonlySet<Operation["op"]> = new Set(["layernorm", "attention", "tokens"]);

/**
 * Which layers of a described network share channels, read off its operations: each convolution and linear layer reads
 * the current stream and begins another, and `add` joins two. The image's stream comes first. None in a transformer,
 * where no channel can be cut out by itself.
 */
export function streamsOf(steps: readonly Operation[]): Stream[] {
  if (steps.some(({ op }) => TOKENWISE.has(op))) return [];
  const all: Channels[] = [];
  const fresh = (writers: string[]): Channels => {
    const made: Channels = { writers, readers: [] };
    all.push(made);
    return made;
  };
  const stored = new Map<string, Channels>();
  const recall = (id: string) => {
    const found = stored.get(id);
    if (found) return found;
    throw new DataError(expected("architecture", "an id stored before", id), { code: "data/architecture" });
  };
  let current = fresh([]);
  for (const step of steps) {
    if (step.op === "conv2d" || step.op === "linear") {
      root(current).readers.push(step.name);
      current = fresh([step.name]);
    } else if (step.op === "store") stored.set(step.id, current);
    else if (step.op === "load") current = recall(step.id);
    else if (step.op === "add") current = join(current, recall(step.id));
  }
  return all.filter((channels) => channels.into === undefined).map(({ writers, readers }) => ({ writers, readers }));
}
