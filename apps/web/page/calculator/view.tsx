import { type Signal, signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Connection } from "../live/connection.ts";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { capitalized, clockTime, duration, shortened } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import {
  type Answer,
  type Arrival,
  type Attempt,
  type Calculator,
  resultChannel,
  type Way,
} from "./calculator.ts";
import type { Operation } from "./operands.ts";

export interface CalculatorViewProps {
  readonly calculator: Calculator;
  readonly connection: Connection;
}

/** What is in a form stays there while another view is looked at. */
interface Draft {
  readonly a: Signal<string>;
  readonly b: Signal<string>;
}
const drafts: Readonly<Record<Operation, Draft>> = {
  sum: { a: signal("40"), b: signal("2") },
  concat: { a: signal("real"), b: signal("time") },
};
const way = signal<Way>("http");

/** The view "Try it": asks the service `add`, and shows when its result arrives on the channel. */
export function CalculatorView({ calculator, connection }: CalculatorViewProps): JSX.Element {
  const [last] = calculator.attempts.value;
  return (
    <>
      <Hearing calculator={calculator} connection={connection} />
      <Panel title="Ask">
        <div class="stack">
          <Choice<Way>
            legend="By"
            value={way.value}
            options={[
              { value: "http", label: "HTTP request" },
              { value: "rpc", label: "Call over the connection" },
            ]}
            onChange={(chosen) => {
              way.value = chosen;
            }}
          />
          <div class="calculator-forms">
            <OperationForm calculator={calculator} operation="sum" name="Sum" sign="+" />
            <OperationForm calculator={calculator} operation="concat" name="Concat" sign="&" />
          </div>
        </div>
      </Panel>
      <Panel title="Result">
        <div role="status">{last === undefined ? null : <Last attempt={last} />}</div>
        {last === undefined ? (
          <Notice kind="empty" title="Nothing has been asked yet.">
            Send one of the forms: the answer comes back to it, and the result arrives on channel{" "}
            <code>{resultChannel}</code>, as it does at everybody who is subscribed.
          </Notice>
        ) : (
          <Attempts attempts={calculator.attempts.value} />
        )}
      </Panel>
    </>
  );
}

/** Whether a result could arrive. */
function Hearing({ calculator, connection }: CalculatorViewProps): JSX.Element | null {
  const { channel } = calculator;
  const { state, problem } = channel;
  if (state.value === "subscribed") return null;
  const lead = <a href="#/live">Look at the connection</a>;
  if (connection.state.value !== "connected") {
    return (
      <div class="calculator-hearing">
        <Notice
          kind="disconnected"
          title={
            connection.state.value === "connecting" ? "The connection is away." : "Not connected"
          }
          action={lead}
        >
          The service answers all the same, but its results cannot arrive here.
        </Notice>
      </div>
    );
  }
  return (
    <div class="calculator-hearing">
      {problem.value === undefined ? (
        <Notice kind="loading" title={`Subscribing to ${resultChannel} …`} />
      ) : (
        <Notice
          kind="error"
          title={`This page is not subscribed to ${resultChannel}, so no result can arrive.`}
          action={
            <button
              type="button"
              onClick={() => {
                channel.retry();
              }}
            >
              Subscribe again
            </button>
          }
        >
          {problem.value}
        </Notice>
      )}
    </div>
  );
}

function OperationForm({
  calculator,
  operation,
  name,
  sign,
}: {
  readonly calculator: Calculator;
  readonly operation: Operation;
  readonly name: string;
  readonly sign: string;
}): JSX.Element {
  const { a, b } = drafts[operation];
  const id = useId();
  const [problems, setProblems] = useState<{ a?: string | undefined; b?: string | undefined }>({});
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    // What is wrong is read out with the field.
    form.current?.querySelector<HTMLInputElement>("[aria-invalid]")?.focus();
  }, [problems]);
  const field = (
    label: string,
    draft: Signal<string>,
    problem: string | undefined,
  ): JSX.Element => (
    <Field
      label={label}
      problem={problem}
      input={(attributes) => (
        <input
          {...attributes}
          value={draft.value}
          inputMode={operation === "sum" ? "decimal" : "text"}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          onInput={({ currentTarget }) => {
            draft.value = currentTarget.value;
          }}
        />
      )}
    />
  );
  return (
    <form
      ref={form}
      class="calculator-form"
      aria-labelledby={id}
      onSubmit={(event) => {
        event.preventDefault();
        const read = calculator.compute(operation, a.value, b.value, way.value);
        setProblems(read.ok ? {} : { a: read.a, b: read.b });
      }}
    >
      <h4 id={id}>
        {name}{" "}
        <code class="quiet">
          {way.value === "http" ? `POST /api/add/${operation}` : `rpc ${operation}`}
        </code>
      </h4>
      {field("a", a, problems.a)}
      <span class="calculator-sign" aria-hidden="true">
        {sign}
      </span>
      {field("b", b, problems.b)}
      <button type="submit" class="primary">
        {name}
      </button>
    </form>
  );
}

/** The last result, large, with the two times. */
function Last({ attempt }: { readonly attempt: Attempt }): JSX.Element {
  const { answer, arrival } = attempt;
  return (
    <div class="calculator-last">
      <p class="calculator-result">
        <span class="quiet">{expression(attempt)} = </span>
        {answer.kind === "given" ? (
          <b>{shown(answer.result)}</b>
        ) : answer.kind === "awaited" ? (
          "…"
        ) : (
          "?"
        )}
      </p>
      <dl class="stats">
        <div>
          <dt>Arrived on channel {resultChannel}</dt>
          <dd>{arrivalText(arrival)}</dd>
        </div>
        <div>
          <dt>{attempt.way === "http" ? "HTTP answer" : "Answer to the call"}</dt>
          <dd>{answerText(answer)}</dd>
        </div>
      </dl>
      {answer.kind === "refused" ? (
        <Notice kind="error" title="The service gave no result.">
          {capitalized(answer.message)}.
        </Notice>
      ) : null}
      {arrival.kind === "missing" ? (
        <Notice kind="error" title="The result has not arrived.">
          The service says that it has published it on {resultChannel}, and nothing came in{" "}
          {duration(arrival.ms)}. The gateway may have lost NATS.
        </Notice>
      ) : null}
    </div>
  );
}

function Attempts({ attempts }: { readonly attempts: readonly Attempt[] }): JSX.Element {
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="The last ten">
      <table class="calculator-attempts">
        <caption>The last ten, newest first. Times count from the click.</caption>
        <thead>
          <tr>
            <th scope="col">At</th>
            <th scope="col">Asked</th>
            <th scope="col" class="num">
              Answered
            </th>
            <th scope="col" class="num">
              Arrived
            </th>
          </tr>
        </thead>
        <tbody>
          {attempts.map((attempt) => (
            <tr key={attempt.number}>
              <td class="calculator-time">{clockTime(attempt.at)}</td>
              <td>
                {expression(attempt)}
                {attempt.answer.kind === "given" ? (
                  <>
                    {" = "}
                    <b>{shown(attempt.answer.result)}</b>
                  </>
                ) : null}{" "}
                <span class="tag">{attempt.way === "http" ? "HTTP" : "call"}</span>
                {attempt.answer.kind === "refused" ? (
                  <p class="calculator-refused">{capitalized(attempt.answer.message)}.</p>
                ) : null}
              </td>
              <td class="num">{answerText(attempt.answer)}</td>
              <td class="num">{arrivalText(attempt.arrival)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Longer texts are cut where they are shown, never on their way. */
function shown(text: string): string {
  if (text === "") return "(empty)";
  return shortened(text, 80);
}

function expression({ operation, operands: { a, b } }: Attempt): string {
  if (operation === "sum") return `${a} + ${b}`;
  return `${quoted(String(a))} & ${quoted(String(b))}`;
}

function quoted(text: string): string {
  return `“${shortened(text, 20)}”`;
}

function answerText(answer: Answer): string {
  return answer.kind === "awaited" ? "…" : duration(answer.ms);
}

function arrivalText(arrival: Arrival): string {
  switch (arrival.kind) {
    case "awaited":
      return "…";
    case "arrived":
      return `${duration(arrival.ms)}${arrival.recovered ? ", recovered" : ""}`;
    case "missing":
      return "not arrived";
    case "unheard":
      return "not subscribed";
    case "none":
      return "–";
    default:
      return arrival satisfies never;
  }
}
