import { type Block, type Cell, figures, type Section, type Table, words } from "./blocks.js";
import { figure } from "./cells.js";
import type { ReportData, StabilityData, StabilityPair } from "./data.js";
import { count, decimal, missing } from "./format.js";

const three = (value: number | null) => decimal(value, 3);

const measures = [
  { field: "agreement", group: "Same class" },
  { field: "robustSets", group: "Jaccard of robust sets" },
  { field: "gradientCosine", group: "Cosine of gradients" },
] as const;

function cells(pair: StabilityPair, field: (typeof measures)[number]["field"]): Cell[] {
  const { [field]: found, origins } = pair;
  if (found === null) return [missing, missing];
  const [low, high] = found.interval;
  return [
    figure(three(found.value), found.value, origins[field]),
    figure(`${three(low)} to ${three(high)}`, found.interval, origins[`${field}.interval`]),
  ];
}

function pairTable(pairs: readonly StabilityPair[]): Table {
  return {
    caption: "Networks in pairs",
    columns: [
      ...[words("Network"), words("Network"), figures("Jaccard of masks")],
      ...measures.flatMap(({ group }) => ["share", "95 % interval"].map((head) => ({ ...figures(head), group }))),
    ],
    rows: pairs.map((pair) => [
      ...[pair.a, pair.b, figure(three(pair.masks), pair.masks, pair.origins.masks)],
      ...measures.flatMap(({ field }) => cells(pair, field)),
    ]),
  };
}

function featureTable(pairs: readonly StabilityPair[]): Table {
  return {
    caption: "Centred kernel alignment of features",
    columns: [
      ...[words("Network"), words("Network"), words("Layer")],
      ...[figures("CKA, unbiased"), figures("CKA, as published")],
    ],
    rows: pairs.flatMap(({ a, b, features, origins }) =>
      features.map(({ layer, cka, debiased }) => [
        ...[a, b, layer],
        figure(three(debiased), debiased, origins[`debiased.${layer}`]),
        figure(three(cka), cka, origins[`cka.${layer}`]),
      ]),
    ),
  };
}

function blocks({ on, pairs }: StabilityData): Block[] {
  const whom =
    on === null
      ? "Masks alone were compared."
      : `On ${count(on.examples)} test images of ${on.data ?? missing}; robust sets under ${on.attack ?? missing} at ${on.norm ?? missing} ${on.eps ?? missing}.`;
  const text =
    `Measured by s2ap stability. ${whom} Same class is the share of images on which both networks predict the same; the robust sets are the images that ` +
    "each withstands; gradients are those of the loss at the images. 1 is alike.";
  const features = pairs.some((pair) => pair.features.length > 0);
  return [
    { kind: "text", text },
    { kind: "table", table: pairTable(pairs) },
    ...(features ? [{ kind: "charts", charts: [], numbers: featureTable(pairs) } as const] : []),
  ];
}

/** How alike masks are, and what networks with them do. */
export function stabilitySection({ stability }: ReportData): Section {
  const found = stability.filter(({ pairs }) => pairs.length > 0);
  return { id: "stability", title: "Masks and networks beside one another", blocks: found.flatMap(blocks) };
}
