// HARP (Zhao, Wressnegger, "Holistic Adversarially Robust Pruning", ICLR 2023, arXiv 2412.14714): learns, with weights
// frozen, which weights each layer keeps and how many,
//   minimise over s and c   L(w ⊙ m(s, r(c))) + g_e max(R(r) / K - 1, 0),
// m the r_l largest |s| of each layer, R the share that the network keeps, r(c) and its floor as in rates.ts;
//   dL/ds = sign(s) ⊙ w ⊙ dL/dθ,  dL/dc_l = (sum of w ⊙ dL/dθ + g_e dR/dr_l / K) dr_l/dc_l;
//   g_e = (e + 1) gain in epoch e, fixed for good at the end of the first epoch where R / K - 1 rounds to 0 at 4 decimals.
// Deviations: an epoch may be chosen only while R <= K (1 + 5e-5) (the reference asks once, `parity: budget-once`);
// `mode: scores` prunes each layer to K (the reference leaves the rates at 0.73); rates are named by layer.
// `ratesBy: group` (not in the paper) learns one rate for all layers that the network puts in a group.
import { z } from "zod";
import type { Model } from "../models/index.js";
import { mapParams, type Params, param, pick } from "../nn/index.js";
import { keep, ops, scope, type Tensor, tensor } from "../torch/index.js";
import { parseOptions } from "../util/index.js";
import { channelGranularity } from "./harp-channels.js";
import type { Granularity, Start, Usage } from "./harp-granularity.js";
import { weightGranularity } from "./harp-weights.js";
import type { Method, MethodState } from "./method.js";
import { type Learned, learnedRates, rateParameter } from "./rates.js";
import { checkedRates, importedRates, type Rates, readRates } from "./rates-initial.js";
import { generatedRates, initialRates } from "./rates-strategies.js";
import { scoreInit } from "./score-init.js";

const ratio = z.number().gt(0).max(1);
const plainOptions = z.strictObject({
  keepRatio: ratio.describe(
    "K: share of the network's weights (of its operations, for channels) that is kept, in (0, 1]",
  ),
  structure: z
    .enum(["weights", "channels"])
    .default("weights")
    .describe("what is kept or removed as one: single `weights` (default), or input `channels`"),
  mode: z
    .enum(["joint", "scores", "rates"])
    .default("joint")
    .describe("what is learned; `scores`: at fixed rates that keep keepRatio; default joint"),
  ratesBy: z
    .enum(["layer", "group"])
    .default("layer")
    .describe("who has a rate: each `layer` (default), or each `group` of them that the network names: qkv, proj, mlp"),
  initialRates,
  initialKeepRatio: ratio.default(0.1).describe("share of the weights that the first rates keep; default 0.1"),
  rates: importedRates.optional().describe("first rates by layer name, or in the network's order, for `imported`"),
  ratesFile: z.string().optional().describe("JSON file with the same, for `imported`"),
  alpha: z.number().gt(0).lt(1).default(0.1).describe("no rate is below alpha times keepRatio; default 0.1"),
  gain: z
    .number()
    .min(0)
    .default(0.01)
    .describe("weight of the budget: (epoch + 1) gain, until it is kept; default 0.01"),
  decayRates: z.boolean().default(true).describe("weight decay acts on the rates, as in the reference; default true"),
  scoreInit,
  parity: z
    .array(z.enum(["budget-once", "channel-scores", "flops", "shortcut-rates", "image-channels", "empty-layers"]))
    .default([])
    .describe("ways of the reference that change numbers; default none"),
});
type Options = z.output<typeof plainOptions>;

/** What no single option can say. */
function check(given: Options, context: z.core.$RefinementCtx): void {
  const problem = (key: keyof Options, message: string) =>
    context.addIssue({ code: "custom", path: [key], message, input: given[key] });
  if (given.ratesBy === "group") {
    if (given.structure === "channels") problem("ratesBy", "to be layer for channels");
    if (given.initialRates !== "uniform") problem("initialRates", "to be uniform with ratesBy `group`");
  }
  const sources = [given.rates, given.ratesFile].filter((source) => source !== undefined);
  if (given.initialRates === "imported") {
    if (sources.length !== 1) problem("rates", "or ratesFile, one of the two, with initialRates `imported`");
    return;
  }
  if (given.rates !== undefined) problem("rates", "to be left out, but with initialRates `imported`");
  if (given.ratesFile !== undefined) problem("ratesFile", "to be left out, but with initialRates `imported`");
  if (given.structure === "channels" && given.initialRates !== "uniform") {
    problem("initialRates", "to be uniform or imported for channels");
  }
}

export const harpOptions = plainOptions.superRefine(check);

/** L_hw of the reference. */
const excess = ({ share, budget }: Usage) => Math.max(share / budget - 1, 0);
/** Below this it rounds to 0 at 4 decimals. */
const NOTHING = 5e-5;
/** A rate that is not learned, among the state's numbers. */
const rateKey = (name: string) => `rate.${name}`;

interface Harp extends Options {
  readonly floor: number;
  readonly granularity: Granularity;
}

/** Rates of the layers that have their own. */
function ownRates({ trained, numbers }: MethodState, names: Iterable<string>, { floor, keepRatio }: Harp): Rates {
  const learned = learnedRates(trained ?? new Map(), floor);
  const rate = (name: string) => learned.get(name)?.rate ?? numbers?.[rateKey(name)] ?? keepRatio;
  return new Map(Array.from(names, (name) => [name, rate(name)]));
}

/** The first rates by name; in `scores` mode they are the last ones too, and keep K. */
function firstRates(weights: Params, harp: Harp): Rates {
  const { mode, initialRates: strategy, floor } = harp;
  const keepRatio = mode === "scores" ? harp.keepRatio : harp.initialKeepRatio;
  if (strategy !== "imported") return generatedRates(strategy, weights, keepRatio);
  const given = harp.rates ?? readRates(harp.ratesFile as string);
  return checkedRates(given, weights, { keepRatio, floor: mode === "scores" ? 0 : floor });
}

function init(model: Model, start: Start, harp: Harp): MethodState {
  const names = harp.granularity.owners(start, model);
  const weights = pick(model.params, names);
  if (harp.mode === "scores") {
    if (harp.initialRates === "uniform") return start;
    const numbers = Object.fromEntries(Array.from(firstRates(weights, harp), ([name, rate]) => [rateKey(name), rate]));
    return { ...start, numbers };
  }
  const rates = firstRates(weights, harp);
  const parameter = (weight: Tensor, name: string) =>
    rateParameter(rates.get(name) as number, harp.floor, weight.dtype);
  const trained = keep(
    scope(() => mapParams(weights, parameter)),
    { forever: true },
  );
  return { ...start, trained, numbers: { gain: 0, frozen: 0 } };
}

/** g of this epoch. */
function gainAt({ numbers }: MethodState, epoch: number, { gain }: Harp): number {
  return numbers?.frozen ? (numbers.gain ?? 0) : (epoch + 1) * gain;
}

/** What only learned rates have: the budget's pull, its schedule, and who may be chosen. */
function learning(harp: Harp): Pick<Method, "penalty" | "epochEnd" | "candidate"> {
  const { floor, granularity } = harp;
  const learnedIn = ({ trained }: MethodState) => learnedRates(trained ?? new Map(), floor);
  const usageAt = (state: MethodState, learned: ReadonlyMap<string, Learned>) =>
    granularity.usage(state, new Map(Array.from(learned, ([name, { rate }]) => [name, rate])));
  const usageOf = (state: MethodState) => usageAt(state, learnedIn(state));
  return {
    penalty(state, { epoch }) {
      const learned = learnedIn(state);
      const usage = usageAt(state, learned);
      const gain = gainAt(state, epoch, harp);
      const pull = usage.share > usage.budget ? gain / usage.budget : 0;
      const trained = mapParams(state.trained ?? new Map(), (c, name) => {
        const slope = (usage.slopes.get(name) as number) * (learned.get(name) as Learned).slope;
        return tensor(pull * slope, [], { dtype: c.dtype });
      });
      return { loss: gain * excess(usage), trained };
    },
    epochEnd(state, { epoch }) {
      const frozen = Boolean(state.numbers?.frozen) || excess(usageOf(state)) < NOTHING;
      return { gain: gainAt(state, epoch, harp), frozen: frozen ? 1 : 0 };
    },
    candidate: (state) =>
      harp.parity.includes("budget-once") ? Boolean(state.numbers?.frozen) : excess(usageOf(state)) <= NOTHING,
  };
}

function withGranularity(options: Options): Harp {
  const { keepRatio, structure, alpha, scoreInit, parity, ratesBy } = options;
  const granularity =
    structure === "weights"
      ? weightGranularity({ keepRatio, scoreInit, ratesBy })
      : channelGranularity({ keepRatio, scoreInit, parity: new Set(parity) });
  return { ...options, floor: alpha * keepRatio, granularity };
}

export function harp(options: z.input<typeof harpOptions>): Method {
  const parsed = withGranularity(parseOptions("harp", harpOptions, options));
  const { granularity, floor, mode } = parsed;
  const ratesOf = (state: MethodState) => {
    const named = mode === "scores" ? state.scores : (state.trained ?? new Map());
    return granularity.rates(state, ownRates(state, named.keys(), parsed));
  };
  return {
    name: "harp",
    searches: true,
    trainsScores: mode !== "rates",
    decaysTrained: parsed.decayRates,
    init: (model, rng) => init(model, granularity.start(model, rng), parsed),
    masks: (state) => granularity.masks(state, ratesOf(state)),
    pullBack(arrived) {
      const { scores, rates } = granularity.receive(arrived);
      if (mode === "scores") return { scores };
      const learned = learnedRates(arrived.trained ?? new Map(), floor);
      const trained = Array.from(learned, ([name, { slope }]) => {
        return [name, ops.mul(param(rates, name), { float: slope })] as const;
      });
      return { scores, trained: new Map(trained) };
    },
    keepRatios: (state) => Object.fromEntries(ratesOf(state)),
    ...(mode === "scores" ? {} : learning(parsed)),
  };
}
