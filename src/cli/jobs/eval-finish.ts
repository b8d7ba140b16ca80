// What an evaluation leaves beside its record: the card, the curve's picture, the benchmark's claim.
import { join } from "node:path";
import {
  CLAIM_NORM,
  type Distances,
  makeCard,
  provenance,
  pruningBenchmarkClaim,
  type Robustness,
  robustBenchDraft,
  writeCard,
} from "../../evaluation/index.js";
import { writeCurves } from "../../report/curve-files.js";
import { ratio, writeFileAtomic } from "../../util/index.js";
import type { EvalFiles } from "./eval-options.js";
import type { Opened } from "./eval-source.js";

const NORMS: Readonly<Record<string, string>> = { linf: "Linf", l2: "L2", l1: "L1" };

/** Words for a norm, as charts show it. */
export const normName = (norm: string): string => NORMS[norm] ?? norm;

/** Draws the curve of one network; its radius is marked. */
export async function drawCurve(folder: string, found: Distances, network: string): Promise<EvalFiles["curve"]> {
  const named = [{ name: `${network}, ${found.attack}`, curve: found.curve }];
  const mark = { mark: ratio(found.eps).value, markName: `eps ${found.eps}` };
  await writeCurves(folder, named, { norm: normName(found.norm), ...mark });
  return { svg: "curve.svg", png: "curve.png" };
}

/** The claim's text for the Adversarial Pruning Benchmark. */
const CLAIMS = "ap-benchmark";

/** The list that RobustBench's numbers are of, and the entry for its `model_info`. */
const ENTERED = "aa-standard";
const ENTRY = "robustbench.json";

/** Writes what belongs to a finished list, and gives the names of the files. */
export async function finishList(
  { model, split, origin, options }: Opened,
  found: Robustness,
  minimumNorm: Distances | undefined,
): Promise<{ readonly files?: EvalFiles; readonly claim?: string }> {
  const { out, shard } = options;
  if (shard !== undefined) return {};
  const card = makeCard(found, provenance(model, split.dataset, origin), minimumNorm);
  const claimed = found.preset === CLAIMS && found.verdict === undefined && found.norm === CLAIM_NORM;
  const claim = claimed ? pruningBenchmarkClaim([{ card, options: {} }]) : undefined;
  if (out === undefined) return { ...(claim && { claim }) };
  writeCard(out, card);
  const curve = minimumNorm && (await drawCurve(out, minimumNorm, card.model.arch));
  if (claim !== undefined) writeFileAtomic(join(out, "claim.md"), claim);
  const entered = found.preset === ENTERED && found.verdict === undefined;
  if (entered) writeFileAtomic(join(out, ENTRY), `${JSON.stringify(robustBenchDraft(card), undefined, 2)}\n`);
  const files = {
    card: "card.md",
    ...(entered && { robustbench: ENTRY }),
    ...(curve && { curve }),
    ...(claim && { claim: "claim.md" }),
  };
  return { files, ...(claim && { claim }) };
}
