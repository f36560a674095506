import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CalculatorView } from "./calculator/view.tsx";
import type { Console } from "./console.ts";
import { ConnectionStatus } from "./live/connection-status.tsx";
import { LiveView } from "./live/view.tsx";
import { MemoryView } from "./memory/view.tsx";
import type { ConsoleSettings } from "./settings.ts";
import { SystemView } from "./system/view.tsx";
import { TopicsView } from "./topics/view.tsx";
import { Boundary } from "./ui/boundary.tsx";

interface View {
  readonly hash: string;
  /** In the navigation. */
  readonly name: string;
  readonly title: string;
  /** What one sees and does here, in a sentence. */
  readonly lead: string;
  readonly show: (console: Console) => JSX.Element;
}

const live: View = {
  hash: "#/live",
  name: "Live",
  title: "Live",
  lead: "The connection of this page to the gateway: how it is, what it goes through, and what each recovery brings back.",
  show: ({ connection, settings: { demoTokens, anonymous } }) => (
    <LiveView connection={connection} demoTokens={demoTokens} anonymous={anonymous} />
  ),
};

const views: readonly View[] = [
  live,
  {
    hash: "#/topics",
    name: "Topics",
    title: "Topics",
    lead: "Subscribe to topics, publish, and see who else is there.",
    show: ({ topics, connection }) => <TopicsView topics={topics} connection={connection} />,
  },
  {
    hash: "#/try",
    name: "Try it",
    title: "Try it",
    lead: "Call the service add over HTTP; what it publishes arrives here over the connection.",
    show: ({ calculator, connection }) => (
      <CalculatorView calculator={calculator} connection={connection} />
    ),
  },
  {
    hash: "#/memory",
    name: "M",
    title: "M, the replicated memory",
    lead: "A small data set in the memory of every replica. A change is done when all that serve it have it.",
    show: ({ memory, settings }) => <MemoryView memory={memory} local={settings.local} />,
  },
  {
    hash: "#/system",
    name: "System",
    title: "System",
    lead: "What the program declares, and what of it runs.",
    show: ({ system, connection, settings }) => (
      <SystemView system={system} connection={connection} local={settings.local} />
    ),
  },
];

const product = "App Engine realtime";

/** The view that the address names; the first one where it names none. */
function named(): View {
  return views.find(({ hash }) => hash === location.hash) ?? live;
}

/** The view that is shown. */
const shown = signal(named());
addEventListener("hashchange", () => {
  shown.value = named();
});

export function App({ console }: { readonly console: Console }): JSX.Element {
  const view = shown.value;
  const heading = useRef<HTMLHeadingElement>(null);
  const first = useRef(true);
  useEffect(() => {
    document.title = `${view.title} – ${product}`;
    // Who follows a link is led to what it shows; who opens the page begins at its top.
    if (!first.current) {
      scrollTo(0, 0);
      heading.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [view]);
  return (
    <>
      <header class="top">
        <a
          class="skip"
          href="#content"
          onClick={(event) => {
            // The address names the view.
            event.preventDefault();
            heading.current?.focus();
          }}
        >
          Skip to the content
        </a>
        <div class="top-line">
          <ProductName />
          <ConnectionStatus connection={console.connection} />
          <nav aria-label="Views">
            <ul>
              {views.map(({ hash, name }) => (
                <li key={hash}>
                  <a href={hash} aria-current={hash === view.hash ? "page" : undefined}>
                    {name}
                  </a>
                </li>
              ))}
            </ul>
          </nav>
        </div>
      </header>
      <main class="view" id="content">
        <div class="view-head">
          <h2 ref={heading} tabIndex={-1}>
            {view.title}
          </h2>
          <p>{view.lead}</p>
        </div>
        <Boundary key={view.hash}>{view.show(console)}</Boundary>
      </main>
      <Foot settings={console.settings} />
    </>
  );
}

/** What stands first in the header. */
export function ProductName(): JSX.Element {
  return (
    <h1 class="top-name">
      <span class="top-mark" aria-hidden="true" />
      {product}
    </h1>
  );
}

/** Where one is. */
function Foot({ settings }: { readonly settings: ConsoleSettings }): JSX.Element {
  return (
    <footer class="foot">
      <ul>
        <li>Project {settings.project}</li>
        <li>{settings.local ? "on this machine" : "on App Engine"}</li>
        <li>Version {settings.version} of the page</li>
      </ul>
    </footer>
  );
}
