import { counted, duration, shortened } from "../ui/format.ts";
import { transportName } from "./client.ts";
import type { LiveEvent } from "./events.ts";

/** What happened, as a sentence. */
export function eventText(event: LiveEvent): string {
  switch (event.kind) {
    case "connecting":
      return "Connecting.";
    case "connected":
      return `Connected by ${transportName(event.transport)} after ${duration(event.tookMs)}, as client ${event.client.slice(0, 8)}.`;
    case "lost":
      return `The connection was lost: ${event.reason} (${event.code}).`;
    case "disconnected":
      return event.code === 0
        ? "Disconnected by this page."
        : `Disconnected for good: ${event.reason} (${event.code}).`;
    case "subscribed":
      return `Subscribed to ${shortened(event.channel)}${event.offset === undefined ? "" : ` at position ${event.offset}`}.`;
    case "recovered":
      return `Subscribed to ${shortened(event.channel)} again: ${missed(event.messages)}.`;
    case "gap":
      return `Subscribed to ${shortened(event.channel)} again: something was missed that cannot be had any more.`;
    case "unsubscribed":
      return `The gateway does not give ${shortened(event.channel)}: ${event.reason} (${event.code}).`;
    case "error":
      return event.text;
    default:
      return event satisfies never;
  }
}

function missed(messages: number): string {
  return messages === 0 ? "nothing was missed" : `${counted(messages, "message")} recovered`;
}
