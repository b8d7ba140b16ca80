// A short search on the smallest network, in a run folder.
import { linf, pgd } from "../../src/attacks/index.js";
import { pgdAt } from "../../src/losses/index.js";
import type { Model } from "../../src/models/index.js";
import { sgd } from "../../src/optim/index.js";
import { hydra } from "../../src/pruning/index.js";
import { openRun } from "../../src/run/index.js";
import { type SearchOptions, search } from "../../src/train/index.js";
import { tinyData } from "./tiny.js";

const data = tinyData();
const attack = pgd(linf({ eps: "8/255" }), { steps: 1 });

export interface TinySearch extends Pick<SearchOptions, "keepMasks" | "keepScores"> {
  /** Default: HYDRA at 30 %. */
  readonly method?: SearchOptions["method"];
  /** Default: 3. */
  readonly epochs?: number;
  /** How often it asks in vain whether to stop. */
  readonly stopAfter?: number;
}

/** What a search finds of `model`, of four steps an epoch. Throws StoppedError where it is stopped. */
export async function searchedIn(
  folder: string,
  model: Model,
  { stopAfter = Number.POSITIVE_INFINITY, ...asked }: TinySearch = {},
) {
  using run = openRun(folder, { seed: 5 });
  let polls = 0;
  const found = await search(model, {
    ...data,
    loss: pgdAt(attack),
    optimizer: sgd({ lr: 0.1 }),
    selectionAttack: attack,
    epochs: 3,
    choose: "last",
    run,
    method: hydra({ keepRatio: 0.3 }),
    ...asked,
    shouldStop: () => polls++ >= stopAfter,
  });
  return { folder, found };
}
