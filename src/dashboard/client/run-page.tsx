import { useEffect, useMemo } from "preact/hooks";
import { count, decimal, missing, percent, percentInterval, stageTitle } from "../../report/format.js";
import type { RunDetail, RunSummary } from "../api.js";
import type { RunLog } from "../run-log.js";
import { EventsSection } from "./events-section.js";
import { ImagesSection } from "./images-section.js";
import { LandscapesSection } from "./landscapes-section.js";
import { LayersSection } from "./layers-section.js";
import { RunCharts } from "./run-charts.js";
import { openRun } from "./run-store.js";
import { SharpnessSection } from "./sharpness-section.js";
import { num, TableHead } from "./table-head.js";
import { useTitle } from "./use-title.js";
import { attackWords, bytes, duration, moment, stateWords } from "./words.js";

function Facts({ summary }: { readonly summary: RunSummary }) {
  const { progress, state } = summary;
  const share = (value: number | null, digits?: number) => (value === null ? missing : `${percent(value, digits)} %`);
  const facts: readonly (readonly [string, string, string])[] = [
    ["Robust", share(summary.robustAccuracy), attackWords(summary)],
    [
      "95 % interval",
      summary.interval === null ? missing : percentInterval([summary.interval[0], summary.interval[1]]),
      summary.interval === null ? "" : "%",
    ],
    ["Clean", share(summary.cleanAccuracy), ""],
    ["Sparsity", share(summary.sparsity, 2), "of the prunable weights"],
    ...(state === "running" ? ([["To go", duration(progress.secondsLeft), "of training, at this pace"]] as const) : []),
    ["Seed", String(summary.seed ?? missing), ""],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value, note]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value} <span class="note">{note}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Stages in the order they ran, each as long as its epochs. */
function Timeline({ log }: { readonly log: RunLog }) {
  if (log.stages.length === 0) return null;
  return (
    <ol class="timeline" aria-label="Stages">
      {log.stages.map((stage) => {
        const share = stage.done ? 1 : stage.epochs * stage.steps > 0 ? stage.step / (stage.epochs * stage.steps) : 0;
        const seconds = stage.epochLog.reduce((sum, epoch) => sum + (epoch.seconds ?? 0), 0);
        return (
          <li key={stage.stage} style={{ flexGrow: Math.max(1, stage.epochs) }}>
            <strong>{stageTitle(stage.stage)}</strong>
            <progress value={Math.min(1, share)} aria-label={`Progress of ${stageTitle(stage.stage)}`} />
            <span class="note">
              {stage.done ? "done" : `step ${count(stage.step)} of ${count(stage.epochs * stage.steps)}`},{" "}
              {stage.epochs} epochs, {duration(seconds)}
            </span>
          </li>
        );
      })}
    </ol>
  );
}

function Evaluations({ log }: { readonly log: RunLog }) {
  if (log.evaluations.length === 0) return null;
  return (
    <section>
      <h2>Attacks on the finished network</h2>
      <div class="scroll">
        <table>
          <TableHead
            columns={[
              "Attack",
              "eps",
              num("Clean %"),
              num("Robust %"),
              num("95 % interval"),
              num("Images"),
              num("Seconds"),
            ]}
          />
          <tbody>
            {log.evaluations.map((each, at) => (
              <tr key={at}>
                <th scope="row">{each.attack}</th>
                <td>{each.eps === "" ? missing : each.eps}</td>
                <td class="num">{percent(each.cleanAccuracy)}</td>
                <td class="num">{each.attack === "clean" ? missing : percent(each.robustAccuracy)}</td>
                <td class="num">{percentInterval([each.interval[0], each.interval[1]])}</td>
                <td class="num">{count(each.examples)}</td>
                <td class="num">{decimal(each.seconds, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Folder({ detail }: { readonly detail: RunDetail }) {
  const recipe = useMemo(() => JSON.stringify(detail.recipe, undefined, 2), [detail.recipe]);
  return (
    <section>
      <h2>Recipe and files</h2>
      <details>
        <summary>Recipe, with every default</summary>
        <pre>{recipe}</pre>
      </details>
      <details>
        <summary>Versions and machine</summary>
        <pre>{JSON.stringify({ versions: detail.versions, machine: detail.machine }, undefined, 2)}</pre>
      </details>
      <details>
        <summary>Files: {detail.files.length}</summary>
        <ul class="files">
          {detail.files.map((file) => (
            <li key={file.name}>
              <code>{file.name}</code> {bytes(file.bytes)}
            </li>
          ))}
        </ul>
      </details>
    </section>
  );
}

/** One run, live. */
export function RunPage({ id }: { readonly id: string }) {
  const run = useMemo(() => openRun(id), [id]);
  useEffect(() => run.close, [run]);
  const detail = run.detail.value;
  const problem = run.problem.value;
  useTitle(detail?.summary.name ?? "Run");
  if (detail === undefined) return <p role="alert">{problem ?? "Reading the run …"}</p>;
  const { summary, log } = detail;
  return (
    <article>
      <h1>{summary.name}</h1>
      <p class="note">
        <span class={`state ${summary.state}`}>{stateWords[summary.state]}</span>, {summary.path}, begun{" "}
        {moment(summary.createdAt)}, last event {moment(log.lastAt)}, {count(log.count)} events
      </p>
      {[problem, ...detail.problems].map((each) =>
        each === undefined ? null : (
          <p key={each} class="notice" role="alert">
            {each}
          </p>
        ),
      )}
      <Facts summary={summary} />
      <Timeline log={log} />
      <RunCharts detail={detail} />
      <Evaluations log={log} />
      <LayersSection detail={detail} />
      <SharpnessSection key={`sharpness ${summary.state}`} id={id} />
      <LandscapesSection key={`landscapes ${summary.state}`} rows={[{ id, name: summary.name }]} />
      <ImagesSection key={`images ${summary.state}`} id={id} />
      <EventsSection detail={detail} />
      <Folder detail={detail} />
    </article>
  );
}
