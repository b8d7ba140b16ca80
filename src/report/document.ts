import type { ReportDocument } from "./blocks.js";
import type { ReportData } from "./data.js";
import { rowStyles } from "./palette.js";
import { costSection } from "./section-cost.js";
import { evaluationsSection } from "./section-evaluations.js";
import { imagesSection } from "./section-images.js";
import { landscapeSection } from "./section-landscape.js";
import { layersSection } from "./section-layers.js";
import { maskSection } from "./section-mask.js";
import { pairsSection } from "./section-pairs.js";
import { resultSection } from "./section-result.js";
import { sharpnessSection } from "./section-sharpness.js";
import { sourcesSection } from "./section-sources.js";
import { stabilitySection } from "./section-stability.js";
import { summarySection } from "./section-summary.js";
import { trainingSection } from "./section-training.js";
import { sentence } from "./sentence.js";

const states: Readonly<Record<string, string>> = {
  running: "is still running",
  killed: "has not finished (its process is gone; run it again to resume)",
  stopped: "was stopped before its end (run it again to resume)",
  failed: "has failed",
};

function unfinished(data: ReportData): string[] {
  return data.runs.flatMap((run) => {
    const state = states[run.state];
    if (state === undefined) return [];
    const stage = run.stages.at(-1);
    const of = stage?.planned ? ` of ${stage.planned}` : "";
    const where = stage === undefined ? "no epoch is done" : `${stage.stage}, ${stage.epochs.length}${of} epochs done`;
    return [`${run.name} ${state}: ${where}. The numbers below are what it has written so far.`];
  });
}

/** Puts collected data in order for reading. */
export function reportDocument(data: ReportData): ReportDocument {
  const styles = rowStyles([...data.rows, ...data.runs]);
  const sections = [
    summarySection(data),
    resultSection(data, styles),
    pairsSection(data),
    costSection(data),
    trainingSection(data, styles),
    maskSection(data, styles),
    layersSection(data, styles),
    sharpnessSection(data, styles),
    landscapeSection(data, styles),
    stabilitySection(data),
    evaluationsSection(data, styles),
    imagesSection(data),
    sourcesSection(data),
  ];
  return {
    title: data.name,
    lead: sentence(data.rows),
    notices: unfinished(data),
    sections: sections.filter((section) => section.blocks.length > 0),
  };
}
