import { existsSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
// From its own file: the layer's index would load libtorch.
import { readSafetensors } from "../nn/checkpoint/safetensors.js";
import { type EpochDone, lockOwner, type RunEvent, readEvents } from "../run/index.js";
import type { EpochData, EvaluationData, RunData, RunState, StageData } from "./data.js";
import { stageOrder } from "./format.js";
import { interval, number, numbers, readJson, share, shortPath, text } from "./json.js";
import { type Origins, type Place, pointer, read } from "./origin.js";
import { readCards } from "./read-cards.js";
import { readEpochMasks } from "./read-epoch-masks.js";
import { readLandscapes } from "./read-landscape.js";
import { readSharpness } from "./read-sharpness.js";

const manifest = z.object({
  name: text,
  status: text,
  createdAt: text,
  seed: number,
  recipe: z.unknown().optional(),
  recipeHash: text,
  versions: z.unknown().optional(),
  machine: z.unknown().optional(),
  data: z.unknown().optional(),
});

const stageEvent = z.object({ stage: z.string(), status: text, epochs: number });

const epochEvent = z.object({
  stage: z.string(),
  epoch: z.number().int().min(0),
  loss: number,
  cleanAccuracy: share,
  robustAccuracy: share,
  seconds: number,
  passes: z.object({ forward: number, backward: number }).nullable().catch(null),
  maskDistance: z.object({ perKept: number }).nullable().catch(null),
  swapFraction: number,
  sharpnessGap: number,
  forwardCost: number,
  backwardCost: number,
  gradientState: numbers,
  peakMemory: number,
  sparsity: z.object({ total: share, layers: numbers }).nullable().catch(null),
} satisfies Partial<Record<keyof EpochDone, z.ZodType>>);

const evaluationEvent = z.object({
  attack: z.string(),
  cleanAccuracy: share,
  robustAccuracy: share,
  interval,
  examples: number,
  eps: text,
  seconds: number,
});

const warningEvent = z.object({ code: z.string(), message: z.string() });

/** Reads one run folder; what is missing or damaged is added to `problems`. */
export function readRun(folder: string, problems: string[]): RunData {
  const file = manifest.safeParse(readJson(join(folder, "run.json"), problems));
  const found = file.success ? file.data : manifest.parse({});
  const name = found.name ?? basename(resolve(folder));
  const events = eventsOf(folder, problems);
  const stages = stagesOf(events);
  return {
    name,
    folder,
    state: stateOf(found.status, folder),
    createdAt: found.createdAt,
    seed: found.seed,
    recipe: found.recipe ?? null,
    recipeHash: found.recipeHash,
    versions: found.versions ?? null,
    machine: found.machine ?? null,
    data: found.data ?? null,
    stages,
    ...layersOf(folder, stages, problems),
    evaluations: all(events, "evaluation", evaluationEvent).map(
      ({ interval: robustInterval, place, ...rest }): EvaluationData => {
        const origins = { ...origin(place, rest, evaluationFields), ...robustOrigin(place, robustInterval) };
        return rest.attack === "clean"
          ? { ...rest, robustAccuracy: null, robustInterval: null, eps: null, origins }
          : { ...rest, robustInterval, origins };
      },
    ),
    cards: readCards(folder, problems),
    sharpness: readSharpness(folder, problems),
    landscapes: readLandscapes(folder, problems),
    epochMasks: readEpochMasks(folder, problems),
    warnings: all(events, "warning", warningEvent).map(({ code, message }) => ({ code, message })),
  };
}

/** Share of zeros of every mask in `masks.safetensors`, in the order of the network's layers where the log has it. */
function layersOf(
  folder: string,
  stages: readonly StageData[],
  problems: string[],
): Pick<RunData, "layerSparsity" | "layerOrigins"> {
  const told = stages.flatMap((stage) => stage.epochs).findLast((epoch) => Object.keys(epoch.layerSparsity).length > 0);
  const logged = told?.layerSparsity ?? {};
  const fromLog = { layerSparsity: logged, layerOrigins: told?.layerOrigins ?? {} };
  const path = join(folder, "masks.safetensors");
  if (!existsSync(path)) return fromLog;
  try {
    const masks = [...readSafetensors(path).tensors].filter(([, mask]) => mask.dtype === "uint8");
    const measured = Object.fromEntries(
      masks.map(([name, { data }]) => [name, zeros(data) / Math.max(1, data.length)]),
    );
    const order = Object.keys(logged).filter((name) => name in measured);
    const origins = masks.map(([name]) => [name, { how: "zeros", from: [{ file: path, at: name }] }] as const);
    return {
      layerSparsity: { ...Object.fromEntries(order.map((name) => [name, 0])), ...measured },
      layerOrigins: Object.fromEntries(origins),
    };
  } catch {
    problems.push(`${shortPath(path)} cannot be read.`);
    return fromLog;
  }
}

function zeros(data: Uint8Array): number {
  let count = 0;
  for (const value of data) if (value === 0) count += 1;
  return count;
}

function stateOf(status: string | null, folder: string): RunState {
  if (status === "running") return lockOwner(folder) === undefined ? "killed" : "running";
  return status === "done" || status === "stopped" || status === "failed" ? status : "unknown";
}

/** An event and its line. */
interface Logged {
  readonly event: RunEvent;
  readonly place: Place;
}

/** The events of a folder; where the log is damaged, the lines that are whole. */
function eventsOf(folder: string, problems: string[]): readonly Logged[] {
  const path = join(folder, "events.jsonl");
  try {
    return readEvents(folder).map((event, index) => ({ event, place: { file: path, line: index + 1, at: "" } }));
  } catch {
    const { events, damaged } = salvage(path);
    const lines = damaged === 1 ? "one damaged line is" : `${damaged} damaged lines are`;
    problems.push(damaged > 0 ? `${shortPath(path)}: ${lines} left out.` : `${shortPath(path)} cannot be read.`);
    return events;
  }
}

function salvage(path: string): { events: Logged[]; damaged: number } {
  const events: Logged[] = [];
  let damaged = 0;
  for (const [index, line] of readText(path).split("\n").entries()) {
    if (line === "") continue;
    try {
      const event = JSON.parse(line) as RunEvent | null;
      if (typeof event?.type === "string") events.push({ event, place: { file: path, line: index + 1, at: "" } });
      else damaged += 1;
    } catch {
      damaged += 1;
    }
  }
  return { events, damaged };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** The events of one type that have the shape they should. */
function all<T extends object>(events: readonly Logged[], type: RunEvent["type"], schema: z.ZodType<T>) {
  return events
    .filter(({ event }) => event.type === type)
    .flatMap(({ event, place }): (T & { readonly place: Place })[] => {
      const result = schema.safeParse(event);
      return result.success ? [{ ...result.data, place }] : [];
    });
}

const evaluationFields = ["cleanAccuracy", "robustAccuracy", "examples", "seconds"] as const;
const epochFields = [
  ...["loss", "cleanAccuracy", "robustAccuracy", "seconds", "swapFraction", "sharpnessGap"],
  ...["forwardCost", "backwardCost", "peakMemory"],
] as const;

/** Origins of the fields of a line that are there. */
function origin(place: Place, line: Readonly<Record<string, unknown>>, fields: readonly string[]): Origins {
  const known = fields.filter((field) => line[field] !== null && line[field] !== undefined);
  return Object.fromEntries(known.map((field) => [field, read({ ...place, at: pointer(field) })]));
}

const robustOrigin = (place: Place, found: unknown): Origins =>
  found === null ? {} : { robustInterval: read({ ...place, at: pointer("interval") }) };

function stagesOf(events: readonly Logged[]): StageData[] {
  const changes = all(events, "stage", stageEvent);
  const epochs = all(events, "epoch", epochEvent);
  return stageOrder([...changes, ...epochs].map((event) => event.stage)).map((stage) => {
    const own = changes.filter((event) => event.stage === stage);
    // An epoch that was run again after an interruption counts once, as it went last.
    const byEpoch = new Map(epochs.filter((event) => event.stage === stage).map((event) => [event.epoch, event]));
    return {
      stage,
      planned: own.at(-1)?.epochs ?? null,
      done: own.at(-1)?.status === "done",
      epochs: [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch).map(toEpoch),
    };
  });
}

function toEpoch(event: z.output<typeof epochEvent> & { readonly place: Place }): EpochData {
  const { passes, maskDistance, sparsity, place } = event;
  const at = (...steps: readonly string[]): Place => ({ ...place, at: pointer(...steps) });
  const layers = Object.keys(sparsity?.layers ?? {});
  const state = Object.keys(event.gradientState);
  return {
    epoch: event.epoch,
    loss: event.loss,
    cleanAccuracy: event.cleanAccuracy,
    robustAccuracy: event.robustAccuracy,
    seconds: event.seconds,
    passes: passes === null ? null : (passes.forward ?? 0) + (passes.backward ?? 0),
    maskDistance: maskDistance?.perKept ?? null,
    swapFraction: event.swapFraction,
    sharpnessGap: event.sharpnessGap,
    sparsity: sparsity?.total ?? null,
    layerSparsity: sparsity?.layers ?? {},
    layerOrigins: Object.fromEntries(layers.map((name) => [name, read(at("sparsity", "layers", name))])),
    forwardCost: event.forwardCost,
    backwardCost: event.backwardCost,
    gradientState: event.gradientState,
    peakMemory: event.peakMemory,
    origins: {
      ...origin(place, event, epochFields),
      ...(passes !== null && {
        passes: { how: "sum", from: [at("passes", "forward"), at("passes", "backward")] },
      }),
      ...(maskDistance !== null && { maskDistance: read(at("maskDistance", "perKept")) }),
      ...(sparsity !== null && { sparsity: read(at("sparsity", "total")) }),
      ...Object.fromEntries(state.map((name) => [`gradientState.${name}`, read(at("gradientState", name))])),
    },
  };
}
