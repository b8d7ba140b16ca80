// Files of our own: networks (metadata `spec`), and results and positions of stages (metadata `meta`, names GROUP/NAME).
import type { RawTensor } from "../../nn/index.js";
import { DataError, expected } from "../../util/index.js";
import type { Dropped, ForeignCheckpoint, OpenedFile } from "./checkpoint.js";
import { contentsOf } from "./contents.js";

const SEPARATOR = "/";
const NETWORK = ["params", "buffers"];

/** The registry name and options of a network; undefined where the text is none. */
export function specOf(text: string | undefined): { readonly arch: string } | undefined {
  try {
    const spec = JSON.parse(text ?? "null") as { readonly arch?: unknown } | null;
    return typeof spec?.arch === "string" ? (spec as { readonly arch: string }) : undefined;
  } catch {
    return undefined;
  }
}

/** Tensors by group. */
function grouped(tensors: ReadonlyMap<string, RawTensor>): Map<string, Map<string, RawTensor>> {
  const groups = new Map<string, Map<string, RawTensor>>();
  for (const [key, tensor] of tensors) {
    const at = key.indexOf(SEPARATOR);
    const group = at < 0 ? "params" : key.slice(0, at);
    groups.set(group, (groups.get(group) ?? new Map()).set(key.slice(at + 1), tensor));
  }
  return groups;
}

/** One of ours, or undefined. */
export function ownCheckpoint(file: OpenedFile): ForeignCheckpoint | undefined {
  const { where, container, metadata = {} } = file;
  const isStage = metadata.meta !== undefined;
  const spec = specOf(metadata.spec);
  if (container !== "safetensors" || (spec === undefined && !isStage)) return undefined;
  const { tensors, facts } = contentsOf(file);
  const groups = isStage ? grouped(tensors) : new Map([["params", new Map(tensors)]]);
  const { params, buffers, masks = new Map(), scores = new Map() } = Object.fromEntries(groups);
  if (params === undefined) {
    throw new DataError(expected(where, "a network or a stage with params", [...groups.keys()].join(", ")), {
      code: "data/layout",
    });
  }
  const others = [...groups.keys()].filter((name) => ![...NETWORK, "masks", "scores"].includes(name));
  const dropped: Dropped[] = others.map((name) => ({ name: `${name}/...`, why: "the state of a stage" }));
  return {
    where,
    layout: "s2ap",
    because: spec ? "the network's description in its metadata" : "the groups of a stage of s2ap run",
    container,
    prefix: "",
    state: new Map([...params, ...(buffers ?? [])]),
    scores,
    rates: new Map(),
    masks,
    facts: spec ? { arch: spec.arch, ...facts } : facts,
    dropped,
    warnings: [],
  };
}
