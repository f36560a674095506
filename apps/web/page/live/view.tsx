import type { JSX } from "preact";
import { Choice } from "../ui/choice.tsx";
import { duration, shortened } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import { transportName } from "./client.ts";
import { connectionStates } from "./connection-status.tsx";
import type { Connection, TransportChoice } from "./connection.ts";
import { Events } from "./events-panel.tsx";
import { IdentityPanel } from "./identity-panel.tsx";
import { InterruptionPanel } from "./interruption-panel.tsx";

export interface LiveViewProps {
  readonly connection: Connection;
  /** Whether the environment gives tokens to visitors. */
  readonly demoTokens: boolean;
  /** Whether the gateway takes clients without a token. */
  readonly anonymous: boolean;
}

/** The view "Live": the connection, who the page is, and what happens to it. */
export function LiveView({ connection, demoTokens, anonymous }: LiveViewProps): JSX.Element {
  const recovery = <InterruptionPanel key="recovery" connection={connection} />;
  const identity = (
    <IdentityPanel
      key="identity"
      connection={connection}
      demoTokens={demoTokens}
      anonymous={anonymous}
    />
  );
  return (
    <>
      <ConnectionPanel connection={connection} />
      <div class="grid">
        {/* Who has to bring a token finds the place for it first. */}
        {demoTokens || anonymous ? [recovery, identity] : [identity, recovery]}
      </div>
      <Events connection={connection} />
    </>
  );
}

function ConnectionPanel({ connection }: { readonly connection: Connection }): JSX.Element {
  const { state, transport, user, clientId, roundTripMs, measuresRoundTrip } = connection;
  const connected = state.value === "connected";
  const { tone, word } = connectionStates[state.value];
  const options = [
    { value: "automatic", label: "Automatic" },
    ...connection.transports.map((value) => ({ value, label: transportName(value) })),
  ] satisfies { value: TransportChoice; label: string }[];
  return (
    <Panel title="Connection" actions={<Switch connection={connection} />}>
      <div class="stack">
        <Problem connection={connection} />
        <dl class="stats live-stats">
          <div>
            <dt>State</dt>
            <dd>
              <Status tone={tone}>{word}</Status>
            </dd>
          </div>
          <div>
            <dt>Round trip</dt>
            <dd>{roundTrip(roundTripMs.value, measuresRoundTrip)}</dd>
          </div>
          <div>
            <dt>Transport</dt>
            <dd>{transport.value === undefined ? "–" : transportName(transport.value)}</dd>
          </div>
          <div>
            <dt>User</dt>
            <dd>
              {connected ? (
                user.value === "" ? (
                  <span class="quiet">anonymous</span>
                ) : (
                  shortened(user.value ?? "")
                )
              ) : (
                "–"
              )}
            </dd>
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
        <div>
          <Choice<TransportChoice>
            legend="Reach the gateway by"
            value={connection.transportChoice.value}
            options={options}
            onChange={(choice) => {
              connection.useTransport(choice);
            }}
          />
          {connection.transports.includes("sse") ? (
            <p class="field-hint live-hint">
              SSE puts a token into the URL, where logs may keep it.
            </p>
          ) : null}
        </div>
      </div>
    </Panel>
  );
}

function roundTrip(ms: number | undefined, measured: boolean): string {
  if (!measured) return "not measured";
  return ms === undefined ? "–" : duration(ms);
}

/** One button for both, so that it keeps the focus when it has done the one and offers the other. */
function Switch({ connection }: { readonly connection: Connection }): JSX.Element {
  const off = connection.state.value === "disconnected";
  return (
    <button
      type="button"
      class={off ? "primary" : undefined}
      // Without an identity there is nobody to connect as.
      disabled={off && connection.identity.value === undefined}
      onClick={() => {
        if (off) connection.connect();
        else connection.disconnect();
      }}
    >
      {off ? "Connect" : "Disconnect"}
    </button>
  );
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
    case "disconnected":
      return problem === undefined ? (
        <Notice kind="disconnected" title="Not connected">
          Nothing arrives while it is so. What is published meanwhile comes when you connect again,
          as far as the channel's history goes.
        </Notice>
      ) : (
        <Notice kind="error" title="There is no connection.">
          {problem}
        </Notice>
      );
  }
}
