// The states of a search, quantity by quantity, into a record that can be gone on with.
import type { Split } from "../../data/index.js";
import type { RobustLoss } from "../../losses/index.js";
import { scope, torchVersion } from "../../torch/index.js";
import { packageVersion } from "../../util/index.js";
import { weightsHash } from "../description.js";
import { type Crafter, fixedImages, shareRight } from "./images.js";
import { QUANTITIES, type Quantity, type SharpnessOptions } from "./options.js";
import { measurements, passesOf } from "./quantities.js";
import { requireSame, type SharpnessEpoch, type SharpnessRecord, type SharpnessSettings } from "./record.js";
import { type ScorePoint, scoreLoss } from "./score-loss.js";

/** The states to measure. */
export interface States {
  readonly run: string;
  /** By epochs done. */
  readonly epochs: readonly number[];
  /** One of them in the dtype of the options; its tensors belong to the scope of the call. */
  open(epoch: number): ScorePoint;
}

export interface SharpnessProgress {
  readonly epoch: number;
  readonly quantity: Quantity;
  /** Passes through the network done, and of all that is left to do since this call began. */
  readonly done: number;
  readonly of: number;
}

export interface MeasureSharpness {
  readonly split: Split;
  /** What the split is called. */
  readonly splitName: string;
  readonly robust: RobustLoss;
  /** Makes the adversarial examples, once for each state. */
  readonly crafter: Crafter;
  readonly options: SharpnessOptions;
  /** Which quantities; default all. */
  readonly only?: readonly Quantity[] | undefined;
  /** The record to go on with, and its name for errors. */
  readonly found?: { readonly path: string; readonly record: SharpnessRecord } | undefined;
  /** Gets the record after every quantity. */
  readonly onRecord?: ((record: SharpnessRecord) => void) | undefined;
  readonly onProgress?: ((progress: SharpnessProgress) => void) | undefined;
  /** Called before every pass; may throw to stop. */
  readonly poll?: (() => void) | undefined;
}

function settingsOf({ split, splitName, robust, crafter, options }: MeasureSharpness): SharpnessSettings {
  const { name, source } = split.dataset;
  return {
    ...options,
    images: Math.min(options.images, split.length),
    split: splitName,
    attack: crafter.name,
    norm: crafter.threat.norm,
    eps: crafter.threat.epsText,
    objective: robust.name,
    data: { name, sha256: source.sha256 },
  };
}

/** SHA-256 over scores, weights and statistics. */
export function stateHash({ params, buffers, state }: ScorePoint): string {
  const named = [...state.scores].map(([name, tensor]) => [`scores/${name}`, tensor] as const);
  const trained = [...(state.trained ?? [])].map(([name, tensor]) => [`trained/${name}`, tensor] as const);
  return weightsHash({ params: new Map([...params, ...named, ...trained]), buffers });
}

/** What has been measured of each state, and how much is left. */
class Ledger {
  readonly #given: MeasureSharpness;
  record: SharpnessRecord;
  #done = 0;
  #left: number;
  #of: number;

  constructor(given: MeasureSharpness, record: SharpnessRecord, of: number) {
    this.#given = given;
    this.record = record;
    this.#of = of;
    this.#left = of;
  }

  epoch(epoch: number): SharpnessEpoch | undefined {
    return this.record.epochs.find((each) => each.epoch === epoch);
  }

  /** A pass of this quantity; the plan may be off by a few. */
  pass(epoch: number, quantity: Quantity): void {
    this.#given.poll?.();
    this.#done = Math.min(this.#done + 1, this.#of);
    this.#given.onProgress?.({ epoch, quantity, done: this.#done, of: this.#of });
  }

  /** What a quantity was to take is behind us, however much it took. */
  finish(planned: number): void {
    this.#left -= planned;
    this.#done = this.#of - this.#left;
  }

  put(entry: SharpnessEpoch): void {
    const others = this.record.epochs.filter(({ epoch }) => epoch !== entry.epoch);
    const epochs = [...others, entry].sort((a, b) => a.epoch - b.epoch);
    this.record = { ...this.record, epochs };
    this.#given.onRecord?.(this.record);
  }
}

/** One state: what of it is missing in the record. */
function measureState(point: ScorePoint, epoch: number, ledger: Ledger, given: MeasureSharpness): void {
  const { split, robust, crafter, options, only = QUANTITIES } = given;
  const state = stateHash(point);
  const known = ledger.epoch(epoch);
  let entry: SharpnessEpoch | undefined = known?.state === state ? known : undefined;
  const missing = only.filter((quantity) => entry?.[quantity] === undefined);
  if (missing.length === 0) return;
  const images = fixedImages(point, split, crafter, { ...options, poll: given.poll });
  let current: Quantity = missing[0] as Quantity;
  const poll = () => ledger.pass(epoch, current);
  const at = scoreLoss(point, images, { robust, loss: options.loss, batchSize: options.batchSize, poll });
  const sizes = Array.from(at.scores.values(), ({ numel }) => numel);
  if (entry === undefined) {
    entry = { epoch, state, objectiveLoss: at.lossWith(at.held), ...shareRight(point, images), seconds: {} };
    ledger.put(entry);
  }
  for (const quantity of missing) {
    current = quantity;
    const begun = performance.now();
    const value = scope(() => measurements[quantity]({ at, options, grouped: point.state.layout !== undefined }));
    const seconds: Record<string, number> = { ...entry.seconds, [quantity]: (performance.now() - begun) / 1000 };
    entry = { ...entry, [quantity]: value, seconds };
    ledger.put(entry);
    ledger.finish(passesOf(quantity, options, sizes, at.parts));
  }
}

/** Passes that are left to do, were every state as the record knows it. */
function planned(states: States, record: SharpnessRecord, { options, only = QUANTITIES }: MeasureSharpness): number {
  const sizes = Object.values(record.layers);
  const parts = Math.ceil(record.settings.images / (options.batchSize ?? record.settings.images));
  const left = states.epochs.flatMap((epoch) => {
    const known = record.epochs.find((each) => each.epoch === epoch);
    return only.filter((quantity) => known?.[quantity] === undefined);
  });
  return left.reduce((sum, quantity) => sum + passesOf(quantity, options, sizes, parts), 0);
}

/** Measures what is missing of `states`; what the record has of the same states and settings stays. */
export function measureSharpness(states: States, given: MeasureSharpness): SharpnessRecord {
  const settings = settingsOf(given);
  if (given.found) requireSame(given.found.path, given.found.record.settings, settings);
  const [first] = states.epochs;
  const layers = scope(() =>
    first === undefined
      ? {}
      : Object.fromEntries(Array.from(states.open(first).state.scores, ([name, { numel }]) => [name, numel])),
  );
  const versions = { s2ap: packageVersion(), node: process.versions.node, torch: torchVersion() };
  const epochs = given.found?.record.epochs ?? [];
  const record: SharpnessRecord = { format: 1, run: states.run, settings, layers, versions, epochs };
  const ledger = new Ledger(given, record, planned(states, record, given));
  for (const epoch of states.epochs) scope(() => measureState(states.open(epoch), epoch, ledger, given));
  return ledger.record;
}
