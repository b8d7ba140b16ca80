import { curveAt } from "../evaluation/curve.js";
import { ratio } from "../util/index.js";
import { type Block, type Chart, figures, type Section, type Table, words } from "./blocks.js";
import { figure, share, shareInterval } from "./cells.js";
import { classChart } from "./class-chart.js";
import type { CardData, ReportData } from "./data.js";
import type { Styles } from "./epoch-charts.js";
import { count, percent, percentInterval, significant } from "./format.js";
import { roles } from "./palette.js";
import { securityCurveChart } from "./security-curve.js";

/** A card with the name of its network. */
interface Named {
  readonly network: string;
  readonly card: CardData;
}

const hundredfold = (value: number | null) => (value === null ? null : 100 * value);
const called = ({ network, card }: Named) => [network, card.preset ?? card.name].join(", ");

function classCharts(found: readonly Named[], styles: Styles): Chart[] {
  return found.map((named, index) => {
    const id = `classes-${index + 1}`;
    const { classes, eps } = named.card;
    const bars = classes.map((entry) => ({
      name: entry.name,
      clean: hundredfold(entry.cleanAccuracy),
      robust: hundredfold(entry.robustAccuracy),
      interval: entry.interval && ([100 * entry.interval[0], 100 * entry.interval[1]] as const),
    }));
    const told = classes.map(
      (entry) => `${entry.name} ${percent(entry.robustAccuracy)} (${percentInterval(entry.interval)})`,
    );
    return {
      id,
      title: called(named),
      alt: `Robust accuracy of each class at eps ${eps ?? "unknown"} in percent with 95 % intervals: ${told.join("; ")}.`,
      draw: () =>
        classChart(id, bars, {
          unit: "% of the class's test images",
          colour: styles.get(named.network)?.colour ?? roles.muted,
        }),
    };
  });
}

function classTable(found: readonly Named[]): Table {
  return {
    caption: "Accuracy of every class",
    columns: [
      ...["Network", "Evaluation", "Class"].map(words),
      figures("Images"),
      figures("Clean accuracy, %"),
      figures("Robust accuracy, %"),
      figures("95 % interval"),
    ],
    groups: 2,
    rows: found.flatMap(({ network, card }) =>
      card.classes.map(({ name, examples, cleanAccuracy, robustAccuracy, interval, origins }) => [
        network,
        card.preset ?? card.name,
        name,
        figure(count(examples), examples, origins.examples),
        share(cleanAccuracy, origins.cleanAccuracy),
        share(robustAccuracy, origins.robustAccuracy),
        shareInterval(interval, origins.interval),
      ]),
    ),
  };
}

type Curved = Named & { readonly card: { readonly curve: NonNullable<CardData["curve"]> } };

/** One chart a norm. */
function curveCharts(found: readonly Curved[]): Chart[] {
  const norms = [...new Set(found.map(({ card }) => card.curve.norm))];
  return norms.map((norm, index) => {
    const own = found.filter(({ card }) => card.curve.norm === norm);
    const id = `curve-${index + 1}`;
    const eps = own[0]?.card.curve.eps ?? "0";
    const mark = ratio(eps).value;
    const curves = own.map(({ network, card }) => ({
      name: `${network}, ${card.curve.attack}`,
      curve: card.curve.curve,
    }));
    const told = curves.map(({ name, curve }) => `${name} ${percent(curveAt(curve, mark).robustAccuracy)} %`);
    return {
      id,
      title: `Robust accuracy by radius, ${norm}`,
      alt: `Security curves with 95 % bands; at ${eps}: ${told.join("; ")}.`,
      draw: () => securityCurveChart(id, curves, { norm, mark, markName: `eps ${eps}` }),
    };
  });
}

function curveTable(found: readonly Curved[]): Table {
  const rows = found.flatMap(({ network, card: { curve, pointOrigins } }) =>
    curve.curve.points.map(({ radius, robustAccuracy, low, high }, index) => {
      const origins = pointOrigins[index];
      const cells = [
        figure(significant(radius), radius, origins?.radius),
        share(robustAccuracy, origins?.robustAccuracy),
        share(low, origins?.low),
        share(high, origins?.high),
      ];
      return [network, curve.attack, curve.norm, ...cells];
    }),
  );
  const table = {
    caption: "Robust accuracy by radius",
    columns: [
      ...["Network", "Attack", "Norm"].map(words),
      ...["Radius", "Robust accuracy, %", "95 % interval, low", "95 % interval, high"].map(figures),
    ],
    groups: 3,
    rows,
  };
  if (rows.length <= 24) return table;
  const shown = Array.from({ length: 24 }, (_, i) => Math.round((i * (rows.length - 1)) / 23));
  return { ...table, excerpt: { rows: shown, note: "24 radii, evenly spread" } };
}

/** That a number is no more than a bound, where an evaluation ended at the answer to its question. */
function endedEarly(found: readonly Named[]): Block[] {
  return found.flatMap((named): Block[] => {
    const { endedEarly: question } = named.card;
    if (question === null) return [];
    const text = `${called(named)}: ended early, at the answer to "${question}". Its robust accuracies are at most these.`;
    return [{ kind: "text", text }];
  });
}

/** What the cards of evaluations tell beyond one number: classes, and accuracy by radius. */
export function evaluationsSection({ runs }: ReportData, styles: Styles): Section {
  const cards = runs.flatMap((run) => run.cards.map((card): Named => ({ network: run.name, card })));
  const classes = cards.filter(({ card }) => card.classes.length > 0);
  const curved = cards.filter((named): named is Curved => named.card.curve !== null);
  const blocks: Block[] = [];
  if (curved.length > 0) {
    blocks.push(
      { kind: "heading", text: "Security curves" },
      { kind: "text", text: "Attacks give upper bounds, so curves do too. Bands are 95 % intervals." },
      { kind: "charts", charts: curveCharts(curved), numbers: curveTable(curved) },
    );
  }
  if (classes.length > 0) {
    blocks.push({ kind: "heading", text: "Class by class" }, ...endedEarly(classes), {
      kind: "charts",
      charts: classCharts(classes, styles),
      numbers: classTable(classes),
    });
  }
  return { id: "evaluations", title: "Evaluations in detail", blocks };
}
