// A card in the forms in which others collect results: an entry of RobustBench's `model_info` folder (JSON), and the section
// of a claim to the Adversarial Pruning Benchmark (an issue in Markdown). Neither has a place for intervals; both take percent
// with two decimals. What only the authors know is left to be filled in.
import { UsageError } from "../util/index.js";
import type { Card } from "./card.js";

/** What a leaderboard asks besides the numbers. */
export interface Paper {
  readonly link?: string | undefined;
  readonly name?: string | undefined;
  readonly authors?: string | undefined;
  readonly venue?: string | undefined;
  /** Robust accuracy that the paper reports, in percent. */
  readonly reported?: string | undefined;
  /** Whether more data than the training set was used. Default false. */
  readonly additionalData?: boolean | undefined;
}

/** An entry of RobustBench's `model_info/<dataset>/<threat model>/`. */
export interface RobustBenchEntry {
  readonly link: string;
  readonly name: string;
  readonly authors: string;
  readonly additional_data: boolean;
  readonly number_forward_passes: number;
  readonly dataset: string;
  readonly venue: string;
  readonly architecture: string;
  readonly eps: string;
  readonly clean_acc: string;
  readonly reported: string;
  readonly autoattack_acc: string;
  readonly unreliable: boolean;
  readonly footnote: string;
}

const percent = (share: number) => (100 * share).toFixed(2);

/** Warnings are what makes a number unreliable; the images and the list of attacks say what the number is. */
function footnote({ examples, preset, norm, eps, seed, model, checks }: Card): string {
  const raised = checks.filter(({ severity }) => severity === "warning").map(({ code }) => code);
  const sparsity = `${percent(model.sparsity.total)} % of the prunable weights are zero`;
  const about = `${preset}, ${norm} eps ${eps}, ${examples} test images, seed ${seed}; ${sparsity}`;
  return raised.length === 0 ? `${about}.` : `${about}; checks raised: ${raised.join(", ")}.`;
}

function requireAutoAttack({ preset, verdict }: Card, where: string): void {
  if (["aa-standard", "aa-plus", "ap-benchmark"].includes(preset) && verdict === undefined) return;
  const got = verdict === undefined ? preset : `${preset}, which ended early`;
  throw new UsageError(`${where}: expected the whole of AutoAttack, got ${got}; evaluate with --preset aa-standard`);
}

/** An entry for RobustBench. Their number is AutoAttack's: UsageError for a card of other attacks. */
export function robustBenchEntry(card: Card, paper: Paper = {}): RobustBenchEntry {
  requireAutoAttack(card, "RobustBench entry");
  return {
    link: paper.link ?? "",
    name: paper.name ?? "",
    authors: paper.authors ?? "",
    additional_data: paper.additionalData ?? false,
    number_forward_passes: 1,
    dataset: card.data.name.replace(/ test$/, ""),
    venue: paper.venue ?? "",
    architecture: card.model.arch,
    eps: card.eps,
    clean_acc: percent(card.cleanAccuracy),
    reported: paper.reported ?? "",
    autoattack_acc: percent(card.robustAccuracy),
    unreliable: card.checks.some(({ severity }) => severity === "warning"),
    footnote: footnote(card),
  };
}

/** The same as a file whose gaps are marked, as those of a claim are: what only the authors know is theirs to fill in. */
export function robustBenchDraft(card: Card): Omit<RobustBenchEntry, "additional_data"> & { additional_data: null } {
  const gaps = { link: "<link>", name: "<title>", authors: "<authors>", venue: "<venue>", reported: "<percent>" };
  return { ...robustBenchEntry(card, gaps), additional_data: null };
}

/** What the benchmark's claim asks for one model. */
export interface ClaimOptions {
  /** The model's key in the benchmark, e.g. `HYDRA_Sehwag2020Hydra_R18_CIFAR10_US_90`; default: left to be filled in. */
  readonly key?: string | undefined;
  /** Robust accuracy by HO-FMN in [0,1]: share of images whose distance is above 8/255; default: the card's FMN. */
  readonly hoFmn?: number | undefined;
}

/**
 * The claims' `Evaluation Results of Model` sections, one a card. The benchmark asks for three sparsities of one network,
 * data set and structure.
 */
export function pruningBenchmarkClaim(
  cards: readonly { readonly card: Card; readonly options: ClaimOptions }[],
): string {
  return cards.map(({ card, options }, i) => claimSection(card, options, i + 1)).join("\n");
}

/** The benchmark compares networks in this norm only. */
export const CLAIM_NORM = "linf";

/** HO-FMN is FMN with options that were searched for: the claim says how, or that they were not. */
function minimumNormText({ minimumNorm: found }: Card): string {
  if (found === undefined) return "";
  const [first, last] = [found.indices[0], found.indices.at(-1)];
  const { steps, loss } = found.options as { steps?: unknown; loss?: unknown };
  const [low, high] = found.interval;
  const search = found.trials === undefined ? "not searched for" : `the best of ${found.trials} trials`;
  return (
    ` FMN with ${steps} steps on the loss ${loss}, its options ${search}, images ${first} to ${last}: ` +
    `${percent(found.robustAccuracy)} % above ${found.norm} ${found.eps}, 95 % interval ${percent(low)} to ${percent(high)} %.`
  );
}

function claimSection(card: Card, options: ClaimOptions, number: number): string {
  requireAutoAttack(card, "pruning benchmark claim");
  if (card.norm !== CLAIM_NORM) {
    throw new UsageError(`pruning benchmark claim: expected a card in ${CLAIM_NORM}, got ${card.norm} ${card.eps}`);
  }
  const { key = "<model key>", hoFmn = card.minimumNorm?.robustAccuracy } = options;
  return `## Evaluation Results of Model n°${number}

_Model GDrive:_ "${key}" : ["<id>", ".safetensors"]
_Distances GDrive:_ "${key}" : ["<id>", ".safetensors"]

_Clean Accuracy:_ ${percent(card.cleanAccuracy)}
_Robust Accuracy (AA):_ ${percent(card.robustAccuracy)}
_Robust Accuracy (HO-FMN):_ ${hoFmn === undefined ? "not measured" : percent(hoFmn)}

Measured: ${footnote(card)}${minimumNormText(card)} Weights SHA-256 ${card.model.weights}, zero pattern ${card.model.mask}.
`;
}
