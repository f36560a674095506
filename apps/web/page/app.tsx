import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CalculatorView } from "./calculator/view.tsx";
import type { Console } from "./console.ts";
import { ConnectionStatus } from "./live/connection-status.tsx";
import { LiveView } from "./live/view.tsx";
import { MemoryView } from "./memory/view.tsx";
import { SystemView } from "./system/view.tsx";
import { TopicsView } from "./topics/view.tsx";

interface View {
  readonly hash: string;
  /** In the navigation. */
  readonly name: string;
  readonly title: string;
  readonly show: (console: Console) => JSX.Element;
}

const live: View = { hash: "#/live", name: "Live", title: "Live", show: () => <LiveView /> };

const views: readonly View[] = [
  live,
  { hash: "#/topics", name: "Topics", title: "Topics", show: () => <TopicsView /> },
  { hash: "#/try", name: "Try it", title: "Try it", show: () => <CalculatorView /> },
  { hash: "#/memory", name: "M", title: "M, the replicated memory", show: () => <MemoryView /> },
  { hash: "#/system", name: "System", title: "System", show: () => <SystemView /> },
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
    if (!first.current) heading.current?.focus();
    first.current = false;
  }, [view]);
  return (
    <div class="shell">
      <a class="skip" href={view.hash} onClick={() => heading.current?.focus()}>
        Skip to the content
      </a>
      <header>
        <h1>{product}</h1>
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
      </header>
      <main>
        <h2 ref={heading} tabIndex={-1}>
          {view.title}
        </h2>
        {view.show(console)}
      </main>
    </div>
  );
}
