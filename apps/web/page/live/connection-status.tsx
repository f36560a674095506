import type { JSX } from "preact";
import { duration } from "../ui/format.ts";
import { Status } from "../ui/status.tsx";
import type { Connection, ConnectionState } from "./connection.ts";

/** A state for people. */
export const connectionStates = {
  disconnected: { tone: "bad", word: "Disconnected" },
  connecting: { tone: "busy", word: "Connecting" },
  connected: { tone: "good", word: "Connected" },
} as const satisfies Record<ConnectionState, unknown>;

/** The connection in a few words. It stands in the page's header, and leads to the view that says more. */
export function ConnectionStatus({ connection }: { readonly connection: Connection }): JSX.Element {
  const { tone, word } = connectionStates[connection.state.value];
  const ms = connection.roundTripMs.value;
  return (
    <a class="top-state" href="#/live">
      <span class="visually-hidden">Connection: </span>
      <span role="status">
        <Status tone={tone}>{word}</Status>
      </span>
      {ms === undefined ? null : (
        <span class="top-trip">
          <span class="visually-hidden">round trip </span>
          {duration(ms)}
        </span>
      )}
    </a>
  );
}
