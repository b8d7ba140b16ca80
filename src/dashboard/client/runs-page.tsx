import { useEffect, useState } from "preact/hooks";
import { count, missing, percent, percentInterval } from "../../report/format.js";
import type { RunState, RunSummary } from "../api.js";
import { choose, chosen, followRuns, runs } from "./runs-store.js";
import { useTitle } from "./use-title.js";
import { attackWords, duration, labels, moment, progressWords, stateWords } from "./words.js";

type SortKey = "name" | "state" | "share" | "left" | "sparsity" | "clean" | "robust" | "seed" | "last";
type Value = string | number | null;

const values: Readonly<Record<SortKey, (run: RunSummary) => Value>> = {
  name: (run) => run.name.toLowerCase(),
  state: (run) => run.state,
  share: (run) => run.progress.share,
  left: (run) => (run.state === "running" ? run.progress.secondsLeft : null),
  sparsity: (run) => run.sparsity,
  clean: (run) => run.cleanAccuracy,
  robust: (run) => run.robustAccuracy,
  seed: (run) => run.seed,
  last: (run) => run.lastAt,
};

const columns: readonly { readonly key: SortKey; readonly name: string; readonly numeric?: boolean }[] = [
  { key: "name", name: "Run" },
  { key: "state", name: "State" },
  { key: "share", name: "Progress" },
  { key: "left", name: "To go", numeric: true },
  { key: "sparsity", name: "Sparsity %", numeric: true },
  { key: "clean", name: "Clean %", numeric: true },
  { key: "robust", name: "Robust %", numeric: true },
  { key: "seed", name: "Seed", numeric: true },
  { key: "last", name: "Last event" },
];

interface Sort {
  readonly key: SortKey;
  readonly down: boolean;
}

/** Missing values stand last, whichever way it is sorted. */
function sorted(list: readonly RunSummary[], { key, down }: Sort): RunSummary[] {
  const of = values[key];
  return [...list].sort((left, right) => {
    const [a, b] = [of(left), of(right)];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1);
  });
}

function matches({ name, path, method, gradient, model }: RunSummary, text: string): boolean {
  const all = [name, path, method, gradient, model].join("\n").toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

interface RowProps {
  readonly run: RunSummary;
  /** What tells it from all others, where it is heard without its row. */
  readonly spoken: string;
}

function Row({ run, spoken }: RowProps) {
  const { id, name, path, state, progress } = run;
  const what = [run.model, run.method, run.gradient].filter((each) => each !== null).join(", ");
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          aria-label={`Compare ${spoken}`}
          checked={chosen.value.has(id)}
          onChange={(event) => choose(id, event.currentTarget.checked)}
        />
      </td>
      <th scope="row">
        <a href={`#/run/${id}`}>{name}</a>
        <span class="note">{what === "" ? path : `${path}: ${what}`}</span>
      </th>
      <td class={`state ${state}`}>{stateWords[state]}</td>
      <td>
        {progress.share === null ? missing : <progress value={progress.share} aria-label={`Progress of ${spoken}`} />}
        <span class="note">{progressWords(progress)}</span>
      </td>
      <td class="num">{state === "running" ? duration(progress.secondsLeft) : missing}</td>
      <td class="num">{percent(run.sparsity, 2)}</td>
      <td class="num">{percent(run.cleanAccuracy)}</td>
      <td class="num">
        {percent(run.robustAccuracy)}
        <span class="note">{run.interval === null ? "" : percentInterval([run.interval[0], run.interval[1]])}</span>
        <span class="note">{run.robustAccuracy === null ? "" : attackWords(run)}</span>
      </td>
      <td class="num">{run.seed ?? missing}</td>
      <td>{moment(run.lastAt)}</td>
    </tr>
  );
}

interface HeadProps {
  readonly sort: Sort;
  readonly onSort: (sort: Sort) => void;
}

function Head({ sort, onSort }: HeadProps) {
  const direction = (key: SortKey) => (sort.key !== key ? "none" : sort.down ? "descending" : "ascending");
  return (
    <thead>
      <tr>
        <th scope="col">
          <span class="unseen">Compare</span>
        </th>
        {columns.map(({ key, name, numeric }) => (
          <th key={key} scope="col" class={numeric ? "num" : ""} aria-sort={direction(key)}>
            <button type="button" onClick={() => onSort({ key, down: sort.key === key && !sort.down })}>
              {name} <span aria-hidden="true">{sort.key !== key ? "↕" : sort.down ? "↓" : "↑"}</span>
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

const states = Object.keys(stateWords) as RunState[];

/** All runs: state, progress and key numbers; filtered, sorted, chosen for comparison. */
export function RunsPage() {
  const [text, setText] = useState("");
  const [state, setState] = useState("");
  const [sort, setSort] = useState<Sort>({ key: "last", down: true });
  useEffect(followRuns, []);
  useTitle("Runs");
  const all = runs.value;
  if (all === undefined) return <p>Reading the run folders …</p>;
  const wanted = [...all.values()].filter((run) => matches(run, text) && (state === "" || run.state === state));
  const names = labels([...all.values()]);
  const ids = [...chosen.value].filter((id) => all.has(id));
  return (
    <>
      <h1>Runs</h1>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <label>
          Filter <input type="search" value={text} onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <label>
          State{" "}
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            <option value="">all</option>
            {states.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
        {ids.length >= 2 ? <a class="button" href={`#/compare/${ids.join()}`}>{`Compare ${ids.length} runs`}</a> : null}
        <output>
          {count(wanted.length)} of {count(all.size)} runs
        </output>
      </form>
      <div class="scroll">
        <table class="runs">
          <caption class="unseen">Runs below the given folders</caption>
          <Head sort={sort} onSort={setSort} />
          <tbody>
            {sorted(wanted, sort).map((run) => (
              <Row key={run.id} run={run} spoken={names.get(run.id) ?? run.name} />
            ))}
          </tbody>
        </table>
      </div>
      {all.size === 0 ? <p>There is no run here yet. One that begins appears by itself.</p> : null}
    </>
  );
}
