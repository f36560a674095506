import type { ReadonlySignal } from "@preact/signals";
import { useComputed } from "@preact/signals";
import type { JSX } from "preact";
import { Chart, type ChartSeries } from "../ui/chart.tsx";
import { counted } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import { Status } from "../ui/status.tsx";
import { FeedPart } from "./feed-part.tsx";
import { HistoryPart } from "./history-part.tsx";
import { PresencePart } from "./presence-part.tsx";
import { PublishPart } from "./publish-part.tsx";
import type { Topic } from "./topic.ts";

const words = {
  unsubscribed: "Not subscribed",
  subscribing: "Subscribing",
  subscribed: "Subscribed",
} as const;
const tones = { unsubscribed: "bad", subscribing: "busy", subscribed: "good" } as const;
const rateSeries: readonly ChartSeries[] = [{ label: "Messages", color: "--series-1" }];

/** One topic: its feed, and what else there is to do with it. */
export function TopicPanel({
  topic,
  clientId,
  onUnsubscribe,
}: {
  readonly topic: Topic;
  /** This page's. */
  readonly clientId: ReadonlySignal<string | undefined>;
  readonly onUnsubscribe: () => void;
}): JSX.Element {
  const { name, state } = topic;
  return (
    <Panel
      title={name}
      class="topics-topic"
      actions={
        <>
          <Status tone={tones[state.value]}>{words[state.value]}</Status>
          <button type="button" aria-label={`Unsubscribe from ${name}`} onClick={onUnsubscribe}>
            Unsubscribe
          </button>
        </>
      }
    >
      <Problem topic={topic} />
      <div class="topics-parts">
        <div class="stack">
          <Figures topic={topic} />
          <FeedPart topic={topic} />
          <PublishPart topic={topic} />
        </div>
        <div class="stack">
          <RateChart topic={topic} />
          <PresencePart topic={topic} clientId={clientId} />
          <HistoryPart topic={topic} />
        </div>
      </div>
    </Panel>
  );
}

function Problem({ topic }: { readonly topic: Topic }): JSX.Element | null {
  const problem = topic.problem.value;
  if (problem === undefined) return null;
  // While it tries again by itself there is nothing to do.
  const over = topic.state.value === "unsubscribed";
  return (
    <div class="topics-problem">
      <Notice
        kind="error"
        title={`${topic.name}: ${problem}.`}
        action={
          over ? (
            <button
              type="button"
              aria-label={`Subscribe again to ${topic.name}`}
              onClick={() => {
                topic.retry();
              }}
            >
              Subscribe again
            </button>
          ) : undefined
        }
      />
    </div>
  );
}

function Figures({ topic }: { readonly topic: Topic }): JSX.Element {
  const { received } = topic.feed.view.value;
  return (
    <dl class="stats topics-figures">
      <div>
        <dt>Received</dt>
        <dd>{received.toLocaleString("en")}</dd>
      </div>
      <div>
        <dt>Per second</dt>
        <dd>{topic.rate.view.value.last.toLocaleString("en")}</dd>
      </div>
      <div>
        <dt>Position</dt>
        <dd>{topic.feed.position?.offset.toLocaleString("en") ?? "–"}</dd>
      </div>
    </dl>
  );
}

function RateChart({ topic }: { readonly topic: Topic }): JSX.Element {
  const { view } = topic.rate;
  const data = useComputed(() => view.value.columns);
  const { last, peak, mean } = view.value;
  return (
    <Chart
      title="Messages per second, last minute"
      summary={`${counted(last, "message")} in the last second; at most ${peak.toLocaleString("en")}, ${mean.toLocaleString("en", { maximumFractionDigits: 1 })} on average`}
      series={rateSeries}
      data={data}
      height={130}
      time
    />
  );
}
