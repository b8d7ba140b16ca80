import { useEffect, useRef } from "preact/hooks";
import { CardPage } from "./card-page.js";
import { CardsPage } from "./cards-page.js";
import { ComparePage } from "./compare-page.js";
import { connection } from "./live.js";
import { type Route, route } from "./route.js";
import { RunPage } from "./run-page.js";
import { RunsPage } from "./runs-page.js";

const connectionWords = {
  none: "",
  connecting: "connecting …",
  live: "● live",
  lost: "○ connection lost, trying again …",
};

function Page({ at }: { readonly at: Route }) {
  switch (at.page) {
    case "run":
      return <RunPage key={at.id} id={at.id} />;
    case "compare":
      return <ComparePage key={at.ids.join()} ids={at.ids} />;
    case "cards":
      return <CardsPage />;
    case "card":
      return <CardPage key={at.id} id={at.id} />;
    case "runs":
      return <RunsPage />;
  }
}

/** Header, and the page that the address asks for; its heading gets the focus when it changes. */
export function App() {
  const at = route.value;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  useEffect(() => {
    if (!first.current) main.current?.focus();
    first.current = false;
    window.scrollTo(0, 0);
  }, [at]);
  const current = (page: Route["page"]) => (at.page === page ? "page" : undefined);
  return (
    <>
      <header class="top">
        <a class="brand" href="#/">
          s2ap
        </a>
        <nav aria-label="Pages">
          <a href="#/" aria-current={current("runs")}>
            Runs
          </a>
          <a href="#/cards" aria-current={current("cards")}>
            Evaluations
          </a>
        </nav>
        <span class="connection" role="status">
          {connectionWords[connection.value]}
        </span>
      </header>
      <main ref={main} tabIndex={-1}>
        <Page at={at} />
      </main>
    </>
  );
}
