import type { JSX } from "preact";
import { duration } from "../ui/format.ts";
import { Status } from "../ui/status.tsx";
import type { Connection } from "./connection.ts";

const tones = { disconnected: "bad", connecting: "busy", connected: "good" } as const;

/** The connection in a few words: stands in the page's header, whichever view is shown. */
export function ConnectionStatus({ connection }: { readonly connection: Connection }): JSX.Element {
  const state = connection.state.value;
  const ms = connection.roundTripMs.value;
  return (
    <p class="live-status">
      <span role="status">
        <Status tone={tones[state]}>{state}</Status>
      </span>
      {ms === undefined ? null : (
        <span class="live-round-trip">
          <span class="visually-hidden">round trip </span>
          {duration(ms)}
        </span>
      )}
    </p>
  );
}
