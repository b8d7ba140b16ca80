// HARP over input channels (HARP's granularity `channel`, arXiv 2412.14714): one score for each input channel of a layer,
// s = sqrt(6) v / max v at first, v the sum of |w| over all that reads it; round(r C), of halves the even one, are kept.
// The rates of layers on shortcuts are those of the first layer of their block; masks are each layer's own.
// Deviations, each with the reference's way as a `parity` option: v sums over what reads the channel (`channel-scores`:
// over entries in memory order, which mixes channels); operations are counted as in harp-flops.ts (`flops`); a shared
// rate has the gradient of all that share it (`shortcut-rates`: of the first layer only); image channels stay
// (`image-channels`: they are pruned too); a layer keeps a channel at the least (`empty-layers`: or none).
import type { Model } from "../models/index.js";
import { disposeParams, mapParams, type Params, param, pick } from "../nn/index.js";
import { keep, ops, scope, type Tensor } from "../torch/index.js";
import { type LayerCost, layerCosts, operations, referenceOperations } from "./harp-flops.js";
import type { Granularity, Start, Usage } from "./harp-granularity.js";
import type { Arrived, MethodState } from "./method.js";
import { keptChannels } from "./rates.js";
import { type Rates, shortcutBlock } from "./rates-initial.js";
import { initialScores, type ScoreInit } from "./score-init.js";
import { type Grouping, groupSum, type Layout, layoutOf } from "./structure.js";
import { structuredMasks } from "./structure-masks.js";

interface ChannelLayout extends Layout {
  /** Whose rate a layer has: its own, another's, or none where all of it stays. */
  readonly owners: ReadonlyMap<string, string | undefined>;
  readonly costs: readonly LayerCost[];
}

const layoutIn = (state: Pick<MethodState, "layout">) => state.layout as ChannelLayout;
const groupingIn = (layout: Layout, name: string) => layout.weights.get(name) as Grouping;

/** The layer whose rate this one has. */
function ownerOf(name: string, names: readonly string[]): string {
  const block = shortcutBlock(name);
  return (block !== undefined && names.find((other) => other.startsWith(block))) || name;
}

function channelLayout(model: Model, parity: ReadonlySet<string>): ChannelLayout {
  const names = model.prunable;
  const layout = layoutOf(model, { structure: "channels" }) as Layout;
  const whole = (name: string) => groupingIn(layout, name).whole && !parity.has("image-channels");
  const weights = new Map(
    names.map((name) => [name, { ...groupingIn(layout, name), tied: [name], whole: whole(name) }]),
  );
  const owners = new Map(names.map((name) => [name, whole(name) ? undefined : ownerOf(name, names)]));
  return { ...layout, weights, owners, costs: layerCosts(model) };
}

/** Sum of |w| over as many entries next to one another, by row-major index, as read a channel. */
function memoryMass(weight: Tensor, { scores }: Grouping): Tensor {
  const channels = scores[1] as number;
  const rows = ops.reshape(ops.contiguous(ops.abs(weight)), [channels, weight.numel / channels]);
  return ops.reshape(ops.sumDim(rows, [1]), scores);
}

/** Scores of the reference; a layer of zeros was refused before. */
function referenceScores(weights: Params, layout: Layout): Map<string, Tensor> {
  return mapParams(weights, (weight, name) => {
    const sums = memoryMass(weight, groupingIn(layout, name));
    return ops.mul(sums, { float: Math.sqrt(6) / ops.amax(sums).item() });
  });
}

/** Each layer's rate: that of its owner, or 1. */
function ratesOf({ owners }: ChannelLayout, own: Rates): Rates {
  const rate = (owner: string | undefined) => (owner === undefined ? 1 : (own.get(owner) as number));
  return new Map(Array.from(owners, ([name, owner]) => [name, rate(owner)]));
}

function receive(arrived: Arrived, parity: ReadonlySet<string>) {
  const { scores, weights, weightGradients } = arrived;
  const layout = layoutIn(arrived);
  const atMask = mapParams(scores, (_, name) =>
    groupSum(ops.mul(param(weights, name), param(weightGradients, name)), groupingIn(layout, name)),
  );
  const rates = new Map<string, Tensor>();
  for (const [name, owner] of layout.owners) {
    if (owner === undefined || (owner !== name && parity.has("shortcut-rates"))) continue;
    const more = ops.sum(param(atMask, name));
    const sum = rates.get(owner);
    rates.set(owner, sum ? ops.add(sum, more) : more);
  }
  return { scores: mapParams(atMask, (g, name) => ops.mul(ops.sign(param(scores, name)), g)), rates };
}

/** Slopes by layer become those of the rates that layers share. */
function byOwner(usage: Usage, { owners }: ChannelLayout): Usage {
  const slopes = new Map<string, number>();
  for (const [name, owner] of owners) {
    if (owner !== undefined) slopes.set(owner, (slopes.get(owner) ?? 0) + (usage.slopes.get(name) as number));
  }
  return { ...usage, slopes };
}

export interface ChannelOptions {
  readonly keepRatio: number;
  readonly scoreInit: ScoreInit;
  readonly parity: ReadonlySet<string>;
}

export function channelGranularity({ keepRatio, scoreInit, parity }: ChannelOptions): Granularity {
  const count = parity.has("flops") ? referenceOperations : operations;
  const least = parity.has("empty-layers") ? 0 : 1;
  return {
    start(model, rng): Start {
      const layout = channelLayout(model, parity);
      const weights = pick(model.params, model.prunable);
      const scores = initialScores(weights, scoreInit, rng, layout);
      if (!parity.has("channel-scores")) return { scores, layout };
      disposeParams(scores);
      const mixed = () => referenceScores(weights, layout);
      return { scores: keep(scope(mixed), { forever: true }), layout };
    },
    owners: (start) => [...layoutIn(start).owners].filter(([name, owner]) => name === owner).map(([name]) => name),
    rates: (state, own) => ratesOf(layoutIn(state), own),
    masks: (state, rates) =>
      structuredMasks(state.scores, layoutIn(state), (name, channels) =>
        Math.max(least, keptChannels(channels, rates.get(name) as number)),
      ),
    receive: (arrived) => receive(arrived, parity),
    usage(state, own) {
      const layout = layoutIn(state);
      return byOwner(count(layout.costs, ratesOf(layout, own), keepRatio), layout);
    },
  };
}
