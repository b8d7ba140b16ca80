import { useEffect, useMemo } from "preact/hooks";
import { count, missing, percent, percentInterval } from "../../report/format.js";
import { rowStyles, type Style } from "../../report/palette.js";
import type { RunDetail } from "../api.js";
import { Chart } from "./chart.js";
import { openComparison } from "./compare-store.js";
import { LandscapesSection } from "./landscapes-section.js";
import { type Curve, dashesOf, type LineOptions, lineOption, lineSummary } from "./line-option.js";
import { MasksSection } from "./masks-section.js";
import { epochPoints, samplePoints } from "./run-curves.js";
import { num, TableHead } from "./table-head.js";
import { dark } from "./theme.js";
import { useTitle } from "./use-title.js";
import { attackWords, labels, stateWords, verdict } from "./words.js";

interface Row {
  readonly detail: RunDetail;
  readonly name: string;
  readonly style: Style;
}

function rowsOf(details: readonly RunDetail[]): Row[] {
  const names = labels(details.map(({ summary }) => summary));
  const named = details.map((detail) => ({ detail, name: names.get(detail.summary.id) ?? detail.summary.name }));
  const styles = rowStyles(named.map(({ name, detail }) => ({ name, sparsity: detail.summary.sparsity })));
  return named.map((row) => ({ ...row, style: styles.get(row.name) as Style }));
}

type Titled = LineOptions & { readonly title: string };

function overlaid(rows: readonly Row[]): Titled[] {
  const curve = (row: Row, points: Curve["points"], single: boolean): Curve => ({
    name: row.name,
    colour: row.style.colour,
    points,
    ...(single ? { symbol: row.style.symbol } : { dashes: dashesOf[row.style.symbol] }),
  });
  const xName = "epoch, over all stages of a run";
  const charts: Titled[] = [
    {
      title: "Robust accuracy on held-out images",
      ...{ xName, yName: "%", percent: true },
      curves: rows.map((row) =>
        curve(
          row,
          epochPoints(row.detail.log, (e) => e.robustAccuracy),
          true,
        ),
      ),
    },
    {
      title: "Clean accuracy on held-out images",
      ...{ xName, yName: "%", percent: true },
      curves: rows.map((row) =>
        curve(
          row,
          epochPoints(row.detail.log, (e) => e.cleanAccuracy),
          true,
        ),
      ),
    },
    {
      title: "Training loss",
      ...{ xName, yName: "robust loss" },
      curves: rows.map((row) => curve(row, samplePoints(row.detail.log, "loss"), false)),
    },
    {
      title: "Replaced in the mask since the epoch before",
      ...{ xName, yName: "% of the kept weights", percent: true },
      curves: rows.map((row) =>
        curve(
          row,
          epochPoints(row.detail.log, (e) => e.maskDistance?.perKept),
          true,
        ),
      ),
    },
  ];
  const told = charts.map((chart) => ({ ...chart, curves: chart.curves.filter(({ points }) => points.length > 0) }));
  return told.filter(({ curves }) => curves.length > 0);
}

/** The difference to the first run, in points. */
function points(own: number | null, first: number | null): string {
  if (own === null || first === null) return missing;
  const difference = 100 * (own - first);
  return `${difference < 0 ? "−" : "+"}${Math.abs(difference).toFixed(1)}`;
}

function Table({ rows }: { readonly rows: readonly Row[] }) {
  const [{ summary: first } = { summary: undefined }] = rows.map(({ detail }) => detail);
  if (first === undefined) return null;
  return (
    <div class="scroll">
      <table class="compare">
        <caption>
          <span>Key numbers, and differences to the first run in points</span>
        </caption>
        <TableHead
          columns={[
            "Run",
            "State",
            num("Sparsity %"),
            num("Clean %"),
            num("Difference"),
            num("Robust %"),
            num("95 % interval"),
            num("Difference"),
            "Measured by",
            "Difference in robust accuracy",
          ]}
        />
        <tbody>
          {rows.map(({ detail: { summary }, name }) => (
            <tr key={summary.id}>
              <th scope="row">
                <a href={`#/run/${summary.id}`}>{name}</a>
              </th>
              <td class={`state ${summary.state}`}>{stateWords[summary.state]}</td>
              <td class="num">{percent(summary.sparsity, 2)}</td>
              <td class="num">{percent(summary.cleanAccuracy)}</td>
              <td class="num">{points(summary.cleanAccuracy, first.cleanAccuracy)}</td>
              <td class="num">{percent(summary.robustAccuracy)}</td>
              <td class="num">
                {summary.interval === null ? missing : percentInterval([summary.interval[0], summary.interval[1]])}
              </td>
              <td class="num">{points(summary.robustAccuracy, first.robustAccuracy)}</td>
              <td>{attackWords(summary)}</td>
              <td>{verdict(summary, first)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const MOST = 12;

/** Some runs over one another, live. */
export function ComparePage({ ids }: { readonly ids: readonly string[] }) {
  const comparison = useMemo(() => openComparison(ids.slice(0, MOST)), [ids]);
  useEffect(() => comparison.close, [comparison]);
  useTitle("Compare");
  const runs = comparison.runs.value;
  const isDark = dark.value;
  const details = runs.flatMap(({ detail }) => detail ?? []);
  const rows = rowsOf(details);
  const arrived = runs.every(({ detail, problem }) => detail !== undefined || problem !== undefined);
  const charts = overlaid(rows);
  const problems = [...new Set(runs.flatMap(({ problem }) => problem ?? []))];
  return (
    <article data-dark={isDark}>
      <h1>Compare {count(rows.length)} runs</h1>
      {ids.length > MOST ? <p class="notice">Only the first {MOST} are shown.</p> : null}
      {problems.map((problem) => (
        <p key={problem} class="notice" role="alert">
          {problem}
        </p>
      ))}
      <Table rows={rows} />
      <section aria-label="Curves" class="charts">
        {charts.map((chart) => (
          <Chart
            key={chart.title}
            title={chart.title}
            summary={lineSummary(chart)}
            option={lineOption(chart)}
            curves={chart.curves}
          />
        ))}
      </section>
      {rows.length > 0 && arrived ? (
        <LandscapesSection rows={rows.map(({ detail, name, style }) => ({ id: detail.summary.id, name, style }))} />
      ) : null}
      {rows.length >= 2 && arrived ? (
        <MasksSection key={rows.map(({ detail }) => detail.summary.state).join()} rows={rows} />
      ) : null}
    </article>
  );
}
