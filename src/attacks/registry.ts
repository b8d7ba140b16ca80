import { z } from "zod";
import { entry, registry } from "../util/index.js";
import { apgdCe, apgdDlr, apgdOptions, apgdTargeted, apgdTargetedOptions } from "./apgd.js";
import type { Attack } from "./attack.js";
import { fab, fabOptions, fabT, fabTOptions } from "./fab-attacks.js";
import { fgsm } from "./fgsm.js";
import { fmn, fmnOptions } from "./fmn.js";
import { pgd, pgdOptions } from "./pgd.js";
import { square, squareOptions } from "./square.js";
import type { Threat } from "./threat.js";

/** What an attack is built from besides its options. */
export interface AttackContext {
  readonly threat: Threat;
}

export const attacks = registry("attack", {
  fgsm: entry({
    summary: "fast gradient sign method, one step of length eps (Goodfellow et al. 2015)",
    options: z.strictObject({}),
    create: (_options, { threat }: AttackContext): Attack => fgsm(threat),
  }),
  pgd: entry({
    summary: "projected gradient descent with restarts (Madry et al. 2018)",
    options: pgdOptions,
    create: (options, { threat }: AttackContext): Attack => pgd(threat, options),
  }),
  "apgd-ce": entry({
    summary: "APGD on the cross-entropy, which chooses its step sizes itself (Croce and Hein 2020)",
    options: apgdOptions,
    create: (options, { threat }: AttackContext): Attack => apgdCe(threat, options),
  }),
  "apgd-dlr": entry({
    summary: "APGD on the difference of logits ratio (Croce and Hein 2020)",
    options: apgdOptions,
    create: (options, { threat }: AttackContext): Attack => apgdDlr(threat, options),
  }),
  "apgd-t": entry({
    summary: "APGD on the targeted difference of logits ratio, target by target (Croce and Hein 2020)",
    options: apgdTargetedOptions,
    create: (options, { threat }: AttackContext): Attack => apgdTargeted(threat, options),
  }),
  fab: entry({
    summary: "fast adaptive boundary attack, minimum-norm, towards the nearest class (Croce and Hein 2020)",
    options: fabOptions,
    create: (options, { threat }: AttackContext): Attack => fab(threat, options),
  }),
  "fab-t": entry({
    summary: "FAB towards the classes of rank 2, 3, ... one by one (Croce and Hein 2020)",
    options: fabTOptions,
    create: (options, { threat }: AttackContext): Attack => fabT(threat, options),
  }),
  fmn: entry({
    summary: "fast minimum-norm attack with an adaptive radius, Linf and L2 (Pintor et al. 2021)",
    options: fmnOptions,
    create: (options, { threat }: AttackContext): Attack => fmn(threat, options),
  }),
  square: entry({
    summary: "random search for square changes, which sees logits only (Andriushchenko et al. 2020)",
    options: squareOptions,
    create: (options, { threat }: AttackContext): Attack => square(threat, options),
  }),
});
