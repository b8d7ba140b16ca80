import { count, percent, percentInterval, significant } from "../../report/format.js";
import { rowStyles, type Style } from "../../report/palette.js";
import type { CurveSummary } from "../api.js";
import { Chart } from "./chart.js";
import { type Curve, dashesOf, type LineOptions, lineOption, shown } from "./line-option.js";
import { num, TableHead } from "./table-head.js";
import { dark } from "./theme.js";

/** Curves in one chart: more could not be told apart. */
const MOST = 12;

/** Curves over one axis; where all have one radius of the claim, it is marked. */
function chartOf(norm: string, all: readonly CurveSummary[]): LineOptions {
  const styles = rowStyles(all.map(({ path }) => ({ name: path })));
  const end = Math.max(...all.flatMap(({ radius, points }) => [radius, points.at(-1)?.[0] ?? 0]));
  const curves = all.map(({ path, points }): Curve => {
    const { colour, symbol } = styles.get(path) as Style;
    return { name: path, colour, dashes: dashesOf[symbol], points: [...points, [end, points.at(-1)?.[1] ?? null]] };
  });
  const [first, ...others] = [...new Map(all.map(({ radius, eps }) => [radius, eps]))];
  const marks = first === undefined || others.length > 0 ? [] : [{ at: first[0], name: `eps ${first[1]}` }];
  return {
    curves,
    xName: `radius, ${norm}`,
    yName: "% of the images",
    percent: true,
    steps: true,
    xRange: [0, end],
    marks,
  };
}

function Charts({ curves }: { readonly curves: readonly CurveSummary[] }) {
  const norms = [...new Set(curves.map(({ norm }) => norm))];
  return (
    <div class="charts" data-dark={dark.value}>
      {norms.map((norm) => {
        const drawn = curves.filter((curve) => curve.norm === norm).slice(0, MOST);
        const chart = chartOf(norm, drawn);
        const told = drawn.map(({ path, robustAccuracy, eps }) => `${path}: ${shown(robustAccuracy, true)} at ${eps}`);
        return (
          <Chart
            key={norm}
            title={`Images that stand at every radius, ${norm}`}
            summary={`${told.join("; ")}.`}
            option={lineOption(chart)}
            curves={chart.curves}
          />
        );
      })}
    </div>
  );
}

/** Records of distances by a minimum-norm attack, and how many images stand at every radius. */
export function CurvesSection({ curves }: { readonly curves: readonly CurveSummary[] }) {
  return (
    <section>
      <h2>Distances and security curves</h2>
      <p class="note">
        Distances are upper bounds, and so are the curves. The robust share and its interval are at eps; the median is
        over the images that are right without an attack.
        {curves.length > MOST ? ` A chart has the first ${MOST} records of its norm.` : ""}
      </p>
      <div class="scroll">
        <table class="records curves">
          <TableHead
            columns={[
              "Record",
              "Network",
              "Attack",
              "Threat",
              num("Images"),
              num("Clean %"),
              num("Robust %"),
              num("95 % interval"),
              num("Median distance"),
            ]}
          />
          <tbody>
            {curves.map((curve) => (
              <tr key={curve.id}>
                <th scope="row">{curve.path}</th>
                <td>{curve.model}</td>
                <td>{curve.attack}</td>
                <td>
                  {curve.norm} {curve.eps}
                </td>
                <td class="num">
                  {count(curve.examples)}
                  {curve.examples < curve.images ? ` of ${count(curve.images)}` : ""}
                </td>
                <td class="num">{percent(curve.cleanAccuracy)}</td>
                <td class="num">{percent(curve.robustAccuracy)}</td>
                <td class="num">{percentInterval([curve.interval[0], curve.interval[1]])}</td>
                <td class="num">{significant(curve.medianDistance)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Charts curves={curves} />
    </section>
  );
}
