import type { RunImages } from "../api.js";
import { Picture } from "./picture.js";
import { TableHead } from "./table-head.js";
import { useAnswer } from "./use-answer.js";

type Example = RunImages["examples"][number];

const kinds = [
  ["clean", "clean"],
  ["adversarial", "attacked"],
  ["difference", "difference"],
] as const;

/** A class that a network sees, and whether that is right. */
function Seen({ name, right }: { readonly name: string; readonly right: boolean }) {
  return (
    <td class={right ? "right" : "wrong"}>
      {name}{" "}
      <span role="img" aria-label={right ? "right" : "wrong"}>
        {right ? "✓" : "✗"}
      </span>
    </td>
  );
}

function ExampleCard({ id, example, at }: { readonly id: string; readonly example: Example; readonly at: number }) {
  const { label, pictures, predictions } = example;
  return (
    <li class="image">
      <h3>
        {at + 1}: {label}
      </h3>
      <div class="triple">
        {kinds.map(([kind, caption]) => (
          <Picture
            key={kind}
            address={`/api/runs/${id}/images/${at}/${kind}`}
            there={pictures[kind]}
            words={`${label}, ${caption}`}
            caption={caption}
          />
        ))}
      </div>
      <table class="seen">
        <TableHead columns={["Seen by", "clean", "attacked"]} />
        <tbody>
          {predictions.map((each) => (
            <tr key={each.row}>
              <th scope="row">{each.row}</th>
              <Seen name={each.clean} right={each.cleanRight} />
              <Seen name={each.adversarial} right={each.adversarialRight} />
            </tr>
          ))}
        </tbody>
      </table>
    </li>
  );
}

/** A few attacked test images and what networks see in them; nothing before a run's end. */
export function ImagesSection({ id }: { readonly id: string }) {
  const { answer } = useAnswer<RunImages | null>(`/api/runs/${id}/images`);
  if (answer === undefined || answer === null) return null;
  const { against, eps, examples } = answer;
  return (
    <section>
      <h2>Attacked images</h2>
      <p class="note">
        Test images, attacked{eps === null ? "" : ` at eps ${eps}`}
        {against === null ? "" : ` against ${against}; other networks see the same images`}. The heading of each is its
        class; in its difference, grey is no change.
      </p>
      <ul class="images">
        {examples.map((example, at) => (
          <ExampleCard key={at} id={id} example={example} at={at} />
        ))}
      </ul>
    </section>
  );
}
