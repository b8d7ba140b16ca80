import { Fragment } from "preact";
import { useMemo } from "preact/hooks";
import { count, listing, significant } from "../../report/format.js";
import { drawHeatMap } from "../../report/heat-map.js";
import { axisName, directions, marksOf, planeNote } from "../../report/landscape-groups.js";
import { heightsOf, lossRange } from "../../report/landscape-heights.js";
import type { Surface } from "../../report/surface.js";
import type { LandscapeShown, LandscapesOfRun } from "../api.js";
import { Chart } from "./chart.js";
import { DrawingPicture } from "./drawing-picture.js";
import {
  conditionsOf,
  goesOn,
  groupsOf,
  type LandscapeGroup,
  type LandscapeRow,
  lossAtScores,
  type NamedLandscape,
  pointsOf,
  told,
  unlike,
} from "./landscapes.js";
import { lineOption } from "./line-option.js";
import { SurfaceFigure } from "./surface-figure.js";
import { num, TableHead } from "./table-head.js";
import { dark } from "./theme.js";
import { useAnswer } from "./use-answer.js";

type Axis = LandscapeShown["x"];
const rounded = (value: number) => Number(value.toPrecision(6));
const ends = ({ name, at }: Axis) => `${name} ${significant(at[0])} to ${significant(at.at(-1))}`;

/** All slices along one direction in one chart. */
function Lines({ group: { title, members } }: { readonly group: LandscapeGroup }) {
  const heights = heightsOf(members.map(({ shown }) => shown));
  const coordinates = members.flatMap(({ shown }) => shown.x.at);
  const option = lineOption({
    curves: members.map(({ name, style, shown: { x, loss } }) => ({
      ...{ name, ...style },
      points: x.at.map((at, i) => [rounded(at), heights.of(loss[0]?.[i] ?? null)] as const),
    })),
    xName: axisName(members[0]?.shown.x.name ?? ""),
    yName: heights.unit,
    xRange: [Math.min(...coordinates), Math.max(...coordinates)],
    yRange: [heights.scale.min, heights.scale.max],
    marks: [{ at: 0, name: "the scores" }],
  });
  const curves = members.map(({ name, style }) => ({ name, ...style, points: [] }));
  return <Chart title={title} summary={`Loss: ${members.map(told).join("; ")}.`} option={option} curves={curves} />;
}

/** Planes over the same directions: each from above, and as a surface. */
function Planes({ group: { title, members } }: { readonly group: LandscapeGroup }) {
  const heights = heightsOf(members.map(({ shown }) => shown));
  const drawn = members.flatMap((member) => {
    const { x, y, loss, other } = member.shown;
    if (y === null) return [];
    const surface: Surface = {
      x,
      y,
      z: loss.map((row) => row.map(heights.of)),
      scale: heights.scale,
      unit: heights.unit,
      marks: marksOf(member.shown, member.run),
    };
    const named = (axis: Axis): Axis => ({ ...axis, name: axisName(axis.name, other?.run) });
    const map = drawHeatMap({ ...surface, x: named(x), y: named(y) });
    const { done, all } = pointsOf(member.shown);
    const part = done === all ? "" : ` (${count(done)} of ${count(all)} points)`;
    return [
      {
        name: `${member.name} ${directions(member.shown)}${part}`,
        surface,
        map,
        words: `Loss over ${ends(x)} and ${ends(y)}: ${told(member)}`,
      },
    ];
  });
  const maps = drawn.map(({ name, map, words }, at) => (
    <figure key={`map ${at}`}>
      <figcaption>{name}, from above</figcaption>
      <DrawingPicture drawing={map} told={`${words}; as colours.`} />
    </figure>
  ));
  const notes = members.flatMap(({ name, shown }) => planeNote(shown, name) ?? []);
  const surfaces = drawn.map(({ name, surface, words }, at) => (
    <SurfaceFigure
      key={`surface ${at}`}
      title={`${name}, as a surface`}
      told={`${words}; as a surface.`}
      surface={surface}
    />
  ));
  return (
    <>
      <h3>{title}</h3>
      {notes.length > 0 ? <p class="note">{notes.join("; ")}.</p> : null}
      {/* Of one: side by side. Of several: maps beside maps, surfaces beside surfaces. */}
      {(drawn.length === 1 ? [[...maps, ...surfaces]] : [maps, surfaces]).map((row, at) => (
        <div key={at} class="drawings">
          {row}
        </div>
      ))}
    </>
  );
}

const heads = ["Search epochs done", "Points", "Loss at the scores", "Least", "Greatest"];

function Numbers({ all }: { readonly all: readonly (NamedLandscape & { readonly title: string })[] }) {
  return (
    <div class="scroll">
      <table class="landscapes">
        <caption>
          <span>Losses of the landscapes</span>
        </caption>
        <TableHead columns={["Run", "File", "Directions", ...heads.map(num)]} />
        <tbody>
          {all.map(({ run, title, shown }) => {
            const { done, all: points } = pointsOf(shown);
            const [least, greatest] = lossRange([shown]) ?? [];
            return (
              <tr key={`${run} ${shown.file}`}>
                <th scope="row">{run}</th>
                <td>{shown.file}</td>
                <td>{title}</td>
                <td class="num">{count(shown.epoch)}</td>
                <td class="num">{done === points ? count(points) : `${count(done)} of ${count(points)}`}</td>
                <td class="num">{significant(lossAtScores(shown))}</td>
                <td class="num">{significant(least)}</td>
                <td class="num">{significant(greatest)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** What the reader must know of how the landscapes were made. */
function Notes({ found }: { readonly found: readonly LandscapeShown[] }) {
  const apart = unlike(found);
  const planes = found.some(({ y }) => y !== null);
  return (
    <>
      <p class="note">
        Loss: {[...new Set(found.map(conditionsOf))].join("; ")}. The masks are taken anew at every point; at 0 are the
        scores of the search
        {planes ? ", where planes have a ring. Drag a surface to turn all of them, or use the arrow keys" : ""}.
        Landscapes along the same directions share one scale.
      </p>
      {apart.length > 0 ? (
        <p class="notice">
          These landscapes were not made alike: they differ in {listing(apart)}. Compare only those that are alike.
        </p>
      ) : null}
    </>
  );
}

function Drawn({ groups }: { readonly groups: readonly LandscapeGroup[] }) {
  const begun = groups.map(({ title, members }) => ({
    title,
    members: members.filter(({ shown }) => pointsOf(shown).done > 0),
  }));
  const of = (plane: boolean) => begun.filter(({ members }) => members[0] && (members[0].shown.y !== null) === plane);
  return (
    <>
      <div class="charts">
        {of(false).map((group) => (
          <Lines key={group.title} group={group} />
        ))}
      </div>
      {of(true).map((group) => (
        <Fragment key={group.title}>
          <Planes group={group} />
        </Fragment>
      ))}
    </>
  );
}

/** What `s2ap landscape` computed of some runs, as far as it is there; nothing where it has not. */
export function LandscapesSection({ rows }: { readonly rows: readonly LandscapeRow[] }) {
  const ids = rows.map(({ id }) => id).join();
  const { answer } = useAnswer<readonly LandscapesOfRun[]>(`/api/landscapes/${ids}`, goesOn);
  const isDark = dark.value;
  const names = JSON.stringify(rows);
  return useMemo(() => {
    const groups = groupsOf(answer ?? [], rows);
    const problems = (answer ?? []).flatMap((run) => run.problems);
    if (groups.length + problems.length === 0) return null;
    const all = groups.flatMap(({ title, members }) => members.map((member) => ({ ...member, title })));
    return (
      <section>
        <h2>Loss landscapes over scores</h2>
        {problems.map((problem) => (
          <p key={problem} class="notice">
            {problem}
          </p>
        ))}
        {all.length > 0 ? <Notes found={all.map(({ shown }) => shown)} /> : null}
        <Drawn groups={groups} />
        {all.length > 0 ? <Numbers all={all} /> : null}
      </section>
    );
  }, [answer, names, isDark]);
}
