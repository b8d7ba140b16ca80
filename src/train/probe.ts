// The alarm for catastrophic overfitting of single-step training (Wong, Rice, Kolter, ICLR 2020, arXiv 2001.03994; Andriushchenko,
// Flammarion, NeurIPS 2020, arXiv 2007.02617): within an epoch the network learns to fool the one step it is trained on, so that
// accuracy under FGSM rises while that under PGD falls to nothing. After each epoch both are measured on the same images with
// the same noise. What it goes by is in the epochs' events, so a run that goes on after a stop sees what it saw before.
import { accuracy, fgsm, pgd, type Victim } from "../attacks/index.js";
import type { Probe, Run } from "../run/index.js";
import type { Rng } from "../util/index.js";
import { S2apError } from "../util/index.js";
import type { History, StageOptions } from "./options.js";

/** What happens when a stage overfits to its attack: an event and a line, an error, or nothing (nothing is measured then). */
export type OverfittingAlarm = "warn" | "stop" | "off";

/** Images of the selection split, from its front. */
const IMAGES = 256;
/** A fall of PGD accuracy by less is no alarm. */
const FALL = 0.1;
/** Nor is one of less than so many standard errors of a difference. */
const ERRORS = 2;

export function alarmOf({ overfittingAlarm, loss }: Pick<StageOptions, "overfittingAlarm" | "loss">): OverfittingAlarm {
  return overfittingAlarm ?? (loss.singleStep ? "warn" : "off");
}

/** Accuracies on the probe images under PGD-10 and FGSM, by noise that is the same in every epoch. */
export function measureProbe(victim: Victim, options: StageOptions, key: Rng, poll: () => void): Probe {
  const { selection, loss } = options;
  const at = { examples: IMAGES, rng: key.at("probe"), poll };
  const strong = accuracy(victim, selection, pgd(loss.threat, { steps: 10 }), at);
  const weak = accuracy(victim, selection, fgsm(loss.threat), at);
  return { pgd: strong.robustAccuracy, fgsm: weak.robustAccuracy, examples: strong.examples };
}

/**
 * The earlier epoch that the last one has clearly fallen behind, by its place; `undefined` when all is well. `chance` is the
 * accuracy of a network that says one class for all images, which no attack changes: an epoch that is no better was never robust.
 */
export function overfits(probes: readonly Probe[], chance: number): number | undefined {
  const now = probes.at(-1);
  const before = probes.slice(0, -1);
  if (now === undefined || before.length === 0) return undefined;
  const at = before.reduce((best, { pgd: robust }, i) => (robust > (before[best] as Probe).pgd ? i : best), 0);
  const best = before[at] as Probe;
  const variance = ({ pgd: p, examples }: Probe) => (p * (1 - p)) / examples;
  const learned = best.pgd - chance >= ERRORS * Math.sqrt(variance(best));
  const fell = best.pgd - now.pgd >= Math.max(FALL, ERRORS * Math.sqrt(variance(best) + variance(now)));
  return learned && fell && now.fgsm > best.fgsm ? at : undefined;
}

const share = (value: number) => value.toFixed(3);

function describe(stage: string, probes: readonly Probe[], best: number): string {
  const [then, now] = [probes[best] as Probe, probes.at(-1) as Probe];
  return (
    `${stage}, epoch ${probes.length}: expected accuracy under PGD-10 on ${now.examples} selection images to stay near ` +
    `its best, ${share(then.pgd)} after epoch ${best + 1}, got ${share(now.pgd)}, while that under FGSM rose from ` +
    `${share(then.fgsm)} to ${share(now.fgsm)}: catastrophic overfitting to single steps. Lower the step size, eps or the ` +
    "learning rate, train fewer epochs, or take pgd-at with two steps or more"
  );
}

const chanceOf = ({ selection }: StageOptions) => 1 / selection.dataset.numClasses;

const CODE = "catastrophic-overfitting";

/** The probes of the epochs so far; an epoch that has none (the alarm was off) hides those before it. */
function probesOf(history: History): Probe[] {
  const probes = history.map(({ probe }) => probe);
  return probes.slice(probes.lastIndexOf(undefined) + 1) as Probe[];
}

/** Warns when the last epoch is the first to overfit: in the log, else by `onWarning`. */
export function warnOfOverfitting(history: History, options: StageOptions, run: Run | undefined): void {
  if (alarmOf(options) !== "warn") return;
  const probes = probesOf(history);
  const chance = chanceOf(options);
  const best = overfits(probes, chance);
  if (best === undefined || overfits(probes.slice(0, -1), chance) !== undefined) return;
  const message = describe(history.at(-1)?.stage ?? "", probes, best);
  if (run) run.append({ type: "warning", code: CODE, message });
  else options.onWarning?.(message);
}

/** Throws when the last epoch overfits and the stage is to stop then: asked after every epoch, and when it is resumed there. */
export function stopIfOverfitting(history: History, options: StageOptions): void {
  if (alarmOf(options) !== "stop") return;
  const probes = probesOf(history);
  const best = overfits(probes, chanceOf(options));
  if (best === undefined) return;
  throw new S2apError(
    `${describe(history.at(-1)?.stage ?? "", probes, best)}; with overfittingAlarm "warn" training goes on`,
    { code: CODE },
  );
}
