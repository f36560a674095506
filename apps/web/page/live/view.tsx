import type { JSX } from "preact";
import { Choice } from "../ui/choice.tsx";
import { duration } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import type { Transport } from "./client.ts";
import type { Connection, TransportChoice } from "./connection.ts";
import { Events } from "./events.tsx";
import { IdentityPanel } from "./identity.tsx";
import { InterruptionPanel } from "./interruption.tsx";

const tones = { disconnected: "bad", connecting: "busy", connected: "good" } as const;
const transportNames = {
  websocket: "Websocket",
  http_stream: "HTTP stream",
  sse: "Server-sent events",
} as const satisfies Record<Transport, string>;

export interface LiveViewProps {
  readonly connection: Connection;
  /** Whether the environment gives tokens to visitors. */
  readonly demoTokens: boolean;
  /** Whether the gateway takes clients without a token. */
  readonly anonymous: boolean;
}

/** The view "Live": the connection, who the page is, and what happens to it. */
export function LiveView({ connection, demoTokens, anonymous }: LiveViewProps): JSX.Element {
  return (
    <>
      <ConnectionPanel connection={connection} />
      <div class="grid">
        <InterruptionPanel connection={connection} />
        <IdentityPanel connection={connection} demoTokens={demoTokens} anonymous={anonymous} />
      </div>
      <Events connection={connection} />
    </>
  );
}

function ConnectionPanel({ connection }: { readonly connection: Connection }): JSX.Element {
  const { state, transport, user, clientId, roundTripMs, measuresRoundTrip } = connection;
  const connected = state.value === "connected";
  const options = [
    { value: "automatic", label: "Automatic" },
    ...connection.transports.map((value) => ({ value, label: transportNames[value] })),
  ] satisfies { value: TransportChoice; label: string }[];
  return (
    <Panel
      title="Connection"
      actions={
        state.value === "disconnected" ? null : (
          <button
            type="button"
            onClick={() => {
              connection.disconnect();
            }}
          >
            Disconnect
          </button>
        )
      }
    >
      <div class="stack">
        <Problem connection={connection} />
        <dl class="stats">
          <div>
            <dt>State</dt>
            <dd>
              <Status tone={tones[state.value]}>{state.value}</Status>
            </dd>
          </div>
          <div>
            <dt>Round trip</dt>
            <dd class="live-figure">{roundTrip(roundTripMs.value, measuresRoundTrip)}</dd>
          </div>
          <div>
            <dt>Transport</dt>
            <dd>{transportName(transport.value)}</dd>
          </div>
          <div>
            <dt>User</dt>
            <dd>{connected ? user.value === "" ? <i>anonymous</i> : user.value : "–"}</dd>
          </div>
          <div>
            <dt>Client</dt>
            <dd>
              {clientId.value === undefined ? (
                "–"
              ) : (
                <span class="mono" title={clientId.value}>
                  {clientId.value.slice(0, 8)}
                </span>
              )}
            </dd>
          </div>
        </dl>
        <Choice<TransportChoice>
          legend="Transport"
          value={connection.transportChoice.value}
          options={options}
          onChange={(choice) => {
            connection.useTransport(choice);
          }}
        />
      </div>
    </Panel>
  );
}

function transportName(transport: string | undefined): string {
  const known = Object.entries(transportNames).find(([name]) => name === transport);
  return known?.[1] ?? transport ?? "–";
}

function roundTrip(ms: number | undefined, measured: boolean): string {
  if (!measured) return "not measured";
  return ms === undefined ? "–" : duration(ms);
}

/** Why the page is not connected, and what leads out of it. */
function Problem({ connection }: { readonly connection: Connection }): JSX.Element | null {
  const problem = connection.problem.value;
  switch (connection.state.value) {
    case "connected":
      return null;
    case "connecting":
      if (problem === undefined) return <Notice kind="loading" title="Connecting …" />;
      return (
        <Notice
          kind="disconnected"
          title="There is no connection yet."
          action={
            <button
              type="button"
              onClick={() => {
                connection.retryNow();
              }}
            >
              Try now
            </button>
          }
        >
          {problem}
        </Notice>
      );
    case "disconnected": {
      const connect = (
        <button
          type="button"
          class="primary"
          onClick={() => {
            connection.connect();
          }}
        >
          Connect
        </button>
      );
      if (problem === undefined) {
        return (
          <Notice kind="disconnected" title="Not connected" action={connect}>
            Nothing arrives while it is so. What is published meanwhile comes when you are back, as
            far as the channel's history goes.
          </Notice>
        );
      }
      // Without a token there is nothing to try again.
      const action = connection.identity.value === undefined ? undefined : connect;
      return (
        <Notice kind="error" title="There is no connection." action={action}>
          {problem}
        </Notice>
      );
    }
  }
}
