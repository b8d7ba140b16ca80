import type { Attack } from "../attacks/index.js";
import { entry, registry } from "../util/index.js";
import { pgdAt, pgdAtOptions } from "./pgd-at.js";
import { trades, tradesOptions } from "./trades.js";

/** What a loss is built from besides its options. */
export interface LossContext {
  readonly attack: Attack;
}

export const losses = registry("loss", {
  "pgd-at": entry({
    summary: "cross-entropy on PGD examples (Madry et al. 2018)",
    options: pgdAtOptions,
    create: (options, { attack }: LossContext) => pgdAt(attack, options),
  }),
  trades: entry({
    summary: "clean cross-entropy plus beta times KL to the robust prediction (Zhang et al. 2019)",
    options: tradesOptions,
    create: (options, { attack }: LossContext) => trades(attack, options),
  }),
});
