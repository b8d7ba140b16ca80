import { count, percent, percentInterval } from "../../report/format.js";
import type { CardSummary, CurveSummary } from "../api.js";
import { CurvesSection } from "./curves-section.js";
import { num, TableHead } from "./table-head.js";
import { useAnswer } from "./use-answer.js";
import { useTitle } from "./use-title.js";

function Cards({ cards }: { readonly cards: readonly CardSummary[] }) {
  return (
    <div class="scroll">
      <table class="records">
        <TableHead
          columns={[
            "Record",
            "Network",
            "Attacks",
            "Threat",
            num("Images"),
            num("Clean %"),
            num("Robust %"),
            num("95 % interval"),
          ]}
        />
        <tbody>
          {cards.map((card) => (
            <tr key={card.id}>
              <th scope="row">
                <a href={`#/card/${card.id}`}>{card.path}</a>
              </th>
              <td>{card.model}</td>
              <td>{card.preset}</td>
              <td>
                {card.norm} {card.eps}
              </td>
              <td class="num">{count(card.examples)}</td>
              <td class="num">{percent(card.cleanAccuracy)}</td>
              <td class="num">{percent(card.robustAccuracy)}</td>
              <td class="num">{percentInterval([card.interval[0], card.interval[1]])}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const goesOn = (curves: readonly CurveSummary[]): boolean => curves.some(({ examples, images }) => examples < images);

/** The results of all evaluations that kept a record. */
export function CardsPage() {
  const { answer: cards, problem } = useAnswer<CardSummary[]>("/api/cards");
  const { answer: curves, problem: missed } = useAnswer<CurveSummary[]>("/api/curves", goesOn);
  useTitle("Evaluations");
  if (cards === undefined || curves === undefined)
    return <p role="alert">{problem ?? missed ?? "Reading the records …"}</p>;
  return (
    <>
      <h1>Evaluations</h1>
      {cards.length + curves.length === 0 ? (
        <p>
          There is no record below the given folders. <code>s2ap eval RUN --preset aa-standard --out FOLDER</code>{" "}
          writes one.
        </p>
      ) : null}
      {cards.length === 0 ? null : <Cards cards={cards} />}
      {curves.length === 0 ? null : <CurvesSection curves={curves} />}
    </>
  );
}
