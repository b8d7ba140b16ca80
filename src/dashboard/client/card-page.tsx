import { count, decimal, percent, percentInterval } from "../../report/format.js";
import type { CardDetail } from "../api.js";
import type { CardShown } from "../card-schema.js";
import { ImageBrowser } from "./image-browser.js";
import { num, TableHead } from "./table-head.js";
import { useAnswer } from "./use-answer.js";
import { useTitle } from "./use-title.js";

function Attacks({ card }: { readonly card: CardShown }) {
  const ran = card.attacks.filter(({ skipped }) => skipped !== true);
  return (
    <div class="scroll">
      <table>
        <caption>
          <span>Attacks, each on the images that those before it left</span>
        </caption>
        <TableHead
          columns={[
            "Attack",
            num("Tried"),
            num("Broken"),
            num("Robust after, %"),
            num("95 % interval"),
            num("Forward passes"),
            num("Seconds"),
          ]}
        />
        <tbody>
          {ran.map((each) => (
            <tr key={each.attack}>
              <th scope="row">{each.attack}</th>
              <td class="num">{count(each.tried)}</td>
              <td class="num">{count(each.broken)}</td>
              <td class="num">{percent(each.robustAccuracy, 2)}</td>
              <td class="num">{percentInterval(each.interval)}</td>
              <td class="num">{count(each.passes.forward)}</td>
              <td class="num">{decimal(each.seconds, 1)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Checks({ card }: { readonly card: CardShown }) {
  if (card.checks.length === 0) return <p>Checks: none was raised.</p>;
  return (
    <ul class="checks">
      {card.checks.map(({ code, severity, message }) => (
        <li key={code} class="notice">
          {severity} <code>{code}</code>: {message}
        </li>
      ))}
    </ul>
  );
}

function Hashes({ card }: { readonly card: CardShown }) {
  const { model, data, versions, seed } = card;
  const rows: readonly (readonly [string, string])[] = [
    ["weights, SHA-256", model.weights],
    ["zero pattern, SHA-256", model.mask],
    [
      "sparsity, measured",
      `${percent(model.sparsity.total, 2)} % of the prunable weights; ${count(model.parameters)} parameters`,
    ],
    ["data", `${data.name}, SHA-256 ${data.sha256}`],
    ["seed", String(seed)],
    [
      "versions",
      Object.entries(versions)
        .map((pair) => pair.join(" "))
        .join(", "),
    ],
  ];
  return (
    <details>
      <summary>What was evaluated</summary>
      <dl class="hashes">
        {rows.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}

/** The card of an evaluation, and its images. */
export function CardPage({ id }: { readonly id: string }) {
  const { answer: detail, problem } = useAnswer<CardDetail>(`/api/cards/${id}`);
  useTitle(detail?.summary.path ?? "Record");
  if (detail === undefined) return <p role="alert">{problem ?? "Reading the record …"}</p>;
  const { card, summary } = detail;
  return (
    <article>
      <h1>
        {card.model.arch} under {card.preset}, {card.norm} {card.eps}
      </h1>
      <p class="note">{summary.path}</p>
      <p class="lead">
        Robust accuracy{" "}
        <strong>
          {card.verdict?.early === true ? "at most " : ""}
          {percent(card.robustAccuracy, 2)} %
        </strong>{" "}
        (95 % interval {percentInterval(card.interval)}), clean accuracy {percent(card.cleanAccuracy, 2)} %, over all{" "}
        {count(card.examples)} images.
      </p>
      <Attacks card={card} />
      <Checks card={card} />
      <Hashes card={card} />
      <ImageBrowser detail={detail} />
    </article>
  );
}
