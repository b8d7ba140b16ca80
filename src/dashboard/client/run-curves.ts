import { stageTitle } from "../../report/format.js";
import { allColours, type Colour, roles } from "../../report/palette.js";
import type { EpochDone } from "../../run/events.js";
import type { RunLog, StageLog } from "../run-log.js";
import type { Curve } from "./line-option.js";

type Points = Curve["points"];

/** Stages with the epoch at which each begins: epochs are counted through all stages of a run. */
export function stageOffsets({ stages }: RunLog): { readonly stage: StageLog; readonly from: number }[] {
  let from = 0;
  return stages.map((stage) => {
    const begun = from;
    from += Math.max(stage.epochs, (stage.epochLog.at(-1)?.epoch ?? -1) + 1);
    return { stage, from: begun };
  });
}

export const stageMarks = (log: RunLog) =>
  stageOffsets(log).map(({ stage, from }) => ({ at: from, name: stageTitle(stage.stage) }));

/** A number of the samples over epochs. */
export function samplePoints(log: RunLog, key: "loss" | "robustAccuracy" | "lr"): Points {
  return stageOffsets(log).flatMap(({ stage, from }) =>
    stage.samples.map((sample) => [from + (stage.steps > 0 ? sample.step / stage.steps : 0), sample[key]] as const),
  );
}

/** A number of the epochs, at their ends; epochs without it are left out. */
export function epochPoints(log: RunLog, of: (epoch: EpochDone) => number | null | undefined): Points {
  return stageOffsets(log).flatMap(({ stage, from }) =>
    stage.epochLog.flatMap((epoch) => {
      const value = of(epoch);
      return typeof value === "number" ? [[from + epoch.epoch + 1, value] as const] : [];
    }),
  );
}

/** A colour of the palette that reports have too. */
const named = (name: string): Colour => allColours.find((colour) => colour.name === name) ?? roles.ink;

export const hues = {
  clean: named("row-3"),
  robust: named("row-1"),
  training: named("row-0"),
  other: named("row-2"),
};
