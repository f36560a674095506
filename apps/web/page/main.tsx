import { type ComponentChildren, render } from "preact";
import { App, ProductName } from "./app.tsx";
import { createConsole } from "./console.ts";
import { readSettings } from "./settings.ts";
import { messageOf } from "./ui/format.ts";
import { Notice } from "./ui/notice.tsx";

const place = document.getElementById("console");
if (place === null) throw new Error("the page has no #console");

/** What is shown until there is something to look at. */
function show(notice: ComponentChildren): void {
  if (place === null) return;
  render(
    <>
      <header class="top">
        <div class="top-line">
          <ProductName />
        </div>
      </header>
      <main class="view">{notice}</main>
    </>,
    place,
  );
}

function start(at: Element): void {
  show(<Notice kind="loading" title="Loading …" />);
  readSettings(fetch.bind(globalThis))
    .then((settings) => {
      const console = createConsole(settings);
      render(null, at);
      render(<App console={console} />, at);
    })
    .catch((error: unknown) => {
      show(
        <Notice
          kind="error"
          title="The console cannot start."
          action={
            <button
              type="button"
              onClick={() => {
                start(at);
              }}
            >
              Try again
            </button>
          }
        >
          {messageOf(error)}
        </Notice>,
      );
    });
}

start(place);
