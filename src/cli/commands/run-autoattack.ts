// `s2ap run --autoattack`: when a recipe is done, AutoAttack on some images of its networks, with a record in each run folder.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { EvalAnswer, EvalOptions } from "../jobs/eval-options.js";
import { answerText } from "./eval-text.js";

/** Enough to see what PGD left out, in minutes; the interval says how little it is. */
const EXAMPLES = 100;

/** What an experiment is about, where it has these; otherwise all of its networks. */
const SHOWN = ["dense", "hydra-s2ap"];

/** Run folders of a finished recipe, relative to its own. */
function networks(out: string): string[] {
  const { rows } = JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as { rows: readonly { run: string }[] };
  const all = rows.map(({ run }) => run);
  return SHOWN.every((name) => all.includes(name)) ? SHOWN : all;
}

/** Evaluates the networks one after the other; a part that is done is not done again. */
export async function autoAttackRuns(
  out: string,
  work: (options: EvalOptions) => Promise<EvalAnswer>,
  say: (text: string) => void,
): Promise<void> {
  for (const run of networks(out)) {
    const folder = join(out, run);
    const record = join(folder, "autoattack");
    const answer = await work({
      model: folder,
      attacks: [],
      preset: "aa-standard",
      examples: EXAMPLES,
      out: record,
    });
    if (answer.kind === "evaluation" && answer.status === "stopped") return;
    say(`\n${answerText(answer)}\ncard: ${join(record, "card.md")}`);
  }
}
