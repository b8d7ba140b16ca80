import type { Attack } from "../attacks/index.js";
import { entry, registry } from "../util/index.js";
import { fgsmRs, fgsmRsOptions } from "./fgsm-rs.js";
import { freeAt, freeAtOptions } from "./free-at.js";
import { mart, martOptions } from "./mart.js";
import { natural, naturalOptions } from "./natural.js";
import { pgdAt, pgdAtOptions } from "./pgd-at.js";
import { smoothing, smoothingOptions } from "./smoothing.js";
import { trades, tradesOptions } from "./trades.js";

/** What a loss is built from besides its options. A loss that crafts its examples itself reads the attack's threat only. */
export interface LossContext {
  readonly attack: Attack;
}

/** In a recipe such a loss takes no `attack`. */
const craftsItself = { attack: "none" } as const;

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
  mart: entry({
    summary:
      "cross-entropy with a margin, plus beta times KL weighted by how wrong the clean prediction is (Wang et al. 2020)",
    options: martOptions,
    create: (options, { attack }: LossContext) => mart(attack, options),
  }),
  natural: {
    ...entry({
      summary: "cross-entropy on the images as they are",
      options: naturalOptions,
      create: (options, { attack }: LossContext) => natural(attack.threat, options),
    }),
    ...craftsItself,
  },
  "fgsm-rs": {
    ...entry({
      summary: "cross-entropy on examples of one step from a random start (Wong et al. 2020)",
      options: fgsmRsOptions,
      create: (options, { attack }: LossContext) => fgsmRs(attack.threat, options),
    }),
    ...craftsItself,
  },
  "free-at": {
    ...entry({
      summary: "several weight steps on each batch, whose noise follows the same gradients (Shafahi et al. 2019)",
      options: freeAtOptions,
      create: (options, { attack }: LossContext) => freeAt(attack.threat, options),
    }),
    ...craftsItself,
  },
  smoothing: {
    ...entry({
      summary: "clean cross-entropy plus beta times KL to the prediction under Gaussian noise (Li et al. 2019)",
      options: smoothingOptions,
      create: (options, { attack }: LossContext) => smoothing(attack.threat, options),
    }),
    ...craftsItself,
  },
});
