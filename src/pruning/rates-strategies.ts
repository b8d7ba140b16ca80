// Ways to choose the rates that a search with learned rates starts from.
import { z } from "zod";
import type { Params } from "../nn/index.js";
import { erkRatios, uniformRatios } from "./budgets.js";
import { lampRatios } from "./lamp.js";
import type { Rates } from "./rates-initial.js";

export const initialRates = z
  .enum(["uniform", "erk", "lamp", "imported"])
  .default("uniform")
  .describe("first rates: the same in each layer (default), by `erk` or `lamp`, or `imported`");

/** Rates by weight name that keep this share of the weights. */
export function generatedRates(strategy: "uniform" | "erk" | "lamp", weights: Params, keepRatio: number): Rates {
  return { uniform: uniformRatios, erk: erkRatios, lamp: lampRatios }[strategy](weights, keepRatio);
}
