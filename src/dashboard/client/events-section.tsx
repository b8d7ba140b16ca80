import { useState } from "preact/hooks";
import { stageTitle } from "../../report/format.js";
import type { RunEvent } from "../../run/events.js";
import type { RunDetail } from "../api.js";
import { shown } from "./line-option.js";
import { TableHead } from "./table-head.js";
import { moment } from "./words.js";

/** An event in a sentence. */
function sentence(event: RunEvent): string {
  switch (event.type) {
    case "run":
      return `Opened, seed ${event.seed}.`;
    case "stage":
      return event.status === "start"
        ? `${stageTitle(event.stage)} begins: ${event.epochs} epochs of ${event.steps} steps.`
        : `${stageTitle(event.stage)} is done.`;
    case "epoch":
      return `${stageTitle(event.stage)}, epoch ${event.epoch + 1}: loss ${shown(event.loss)}, clean ${shown(event.cleanAccuracy, true)}, robust ${shown(event.robustAccuracy, true)}, ${shown(event.seconds)} s.`;
    case "warning":
      return `${event.code}: ${event.message}`;
    case "evaluation":
      return `${event.attack}: clean ${shown(event.cleanAccuracy, true)}, robust ${shown(event.robustAccuracy, true)}.`;
    default:
      return JSON.stringify(event);
  }
}

const PART = 30;

/** The newest events that are no samples of training, newest first. */
export function EventsSection({ detail }: { readonly detail: RunDetail }) {
  const [most, setMost] = useState(PART);
  const { recent } = detail.log;
  const shownEvents = recent.slice(-most).reverse();
  return (
    <section>
      <h2>Events</h2>
      <div class="scroll">
        <table class="events">
          <TableHead columns={["When", "Kind", "What"]} />
          <tbody>
            {shownEvents.map((event, at) => (
              <tr key={recent.length - at} class={event.type}>
                <td>{moment(event.at)}</td>
                <td>{event.type === "warning" ? "⚠ warning" : event.type}</td>
                <td class="text">{sentence(event)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {recent.length > most ? (
        <button type="button" onClick={() => setMost(most + 5 * PART)}>
          Show older events
        </button>
      ) : null}
    </section>
  );
}
