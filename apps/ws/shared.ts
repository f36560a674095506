import type { Log } from "../lib/log.ts";
import type { BacklogBudget } from "./backlog-budget.ts";
import type { Broker, ChannelSubscription } from "./broker.ts";
import type { ChannelMessage } from "./channel-message.ts";
import type { Hub } from "./hub.ts";

/** What all connections of a process share. */
export interface Shared {
  readonly broker: Broker;
  readonly hub: Hub<ChannelMessage, ChannelSubscription>;
  readonly budget: BacklogBudget;
  readonly log: Log;
}
