import { render } from "preact";
import { App } from "./app.tsx";
import { createConsole } from "./console.ts";
import { readSettings } from "./settings.ts";
import { messageOf } from "./ui/format.ts";
import { Notice } from "./ui/notice.tsx";

const place = document.getElementById("console");
if (place === null) throw new Error("the page has no #console");

render(<Notice kind="loading" title="Loading …" />, place);
readSettings(fetch.bind(globalThis)).then(
  (settings) => {
    render(<App console={createConsole(settings)} />, place);
  },
  (error: unknown) => {
    render(
      <Notice kind="error" title="The console cannot start.">
        {messageOf(error)}
      </Notice>,
      place,
    );
  },
);
