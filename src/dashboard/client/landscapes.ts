// Landscapes as the page groups and names them.
import { count, label, missing, significant } from "../../report/format.js";
import { landscapeGroups } from "../../report/landscape-groups.js";
import { lossRange } from "../../report/landscape-heights.js";
import { rowStyles, type Style } from "../../report/palette.js";
import type { LandscapeShown, LandscapesOfRun } from "../api.js";

/** A run whose landscapes are shown. */
export interface LandscapeRow {
  readonly id: string;
  readonly name: string;
  /** Default: one of the palette. */
  readonly style?: Style;
}

export interface NamedLandscape {
  readonly name: string;
  readonly run: string;
  readonly style: Style;
  readonly shown: LandscapeShown;
}

/** Landscapes along the same directions, side by side. */
export interface LandscapeGroup {
  readonly title: string;
  readonly members: readonly NamedLandscape[];
}

/** Landscapes by their directions, each in its run's style; where one run has several of a group, in styles of their own. */
export function groupsOf(answer: readonly LandscapesOfRun[], rows: readonly LandscapeRow[]): LandscapeGroup[] {
  const all = rows.flatMap((row) => {
    const landscapes = answer.find(({ id }) => id === row.id)?.landscapes ?? [];
    return landscapes.map((shown) => ({ row, run: row.name, file: shown.file, landscape: shown }));
  });
  return landscapeGroups(all).map(({ title, members }) => {
    const styled = members.map((each) => ({ ...each, style: each.alone ? each.row.style : undefined }));
    const styles = rowStyles(styled);
    return {
      title,
      members: styled.map(({ name, run, landscape: shown, style }) => {
        return { name, run, shown, style: style ?? (styles.get(name) as Style) };
      }),
    };
  });
}

/** How many points there are, and how many of them are computed. */
export function pointsOf({ loss }: LandscapeShown): { readonly done: number; readonly all: number } {
  const all = loss.flat();
  return { done: all.filter((value) => value !== null).length, all: all.length };
}

const isWhole = (shown: LandscapeShown): boolean => {
  const { done, all } = pointsOf(shown);
  return done === all;
};

/** Whether one of the landscapes is still being computed, or was stopped. */
export const goesOn = (answer: readonly LandscapesOfRun[]): boolean =>
  answer.some(({ landscapes }) => !landscapes.every(isWhole));

/** The loss where all coordinates are 0. */
export function lossAtScores({ x, y, loss }: LandscapeShown): number | null {
  const row = y === null ? 0 : y.at.indexOf(0);
  return loss[row]?.[x.at.indexOf(0)] ?? null;
}

/** A landscape in words and numbers. */
export function told({ name, shown }: NamedLandscape): string {
  const [least, greatest] = lossRange([shown]) ?? [];
  const { done, all } = pointsOf(shown);
  const part = done === all ? "" : `, ${done} of ${all} points`;
  return `${name} from ${significant(least)} to ${significant(greatest)}, ${significant(lossAtScores(shown))} at the scores${part}`;
}

const conditions = {
  ...{ dataHash: "data", split: "split", images: "number of images", attack: "attack", norm: "norm", eps: "eps" },
  ...{ objective: "robust loss", drawn: "loss that is drawn", seed: "seed" },
} as const;

/** Of which loss a landscape is, and on what. */
export function conditionsOf({ drawn, objective, images, split, attack, norm, eps }: LandscapeShown): string {
  const loss = drawn === "crossEntropy" ? "cross-entropy" : (objective ?? "robust loss");
  const words = `${loss} on ${count(images)} images (${split ?? missing}) under the attack ${attack ?? missing}, ${norm ?? missing} ${eps ?? missing}`;
  return label(words);
}

/** In what the settings of landscapes differ that should be the same where they are compared. */
export function unlike(found: readonly LandscapeShown[]): string[] {
  const keys = Object.keys(conditions) as (keyof typeof conditions)[];
  return keys.filter((key) => new Set(found.map((shown) => shown[key])).size > 1).map((key) => conditions[key]);
}
