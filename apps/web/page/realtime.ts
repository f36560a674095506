import {
  Centrifuge,
  type ClientInfo,
  type Options,
  type PublicationContext,
  State,
  type SubscribedContext,
  type Subscription,
  SubscriptionState,
} from "centrifuge";
import { element } from "./element.ts";

/** A list keeps this many lines and forgets older ones. */
const keptLines = 500;
/** Longer texts are cut in the lists, never in transit. */
const shownCharacters = 2_000;
/** So many publications of the history are read. */
const readAtOnce = 20;

const connectForm = element("connect", HTMLFormElement);
const channelInput = element("channel", HTMLInputElement);
const tokenInput = element("token", HTMLInputElement);
const disconnectButton = element("disconnect", HTMLButtonElement);
const dropButton = element("drop", HTMLButtonElement);
const connectionState = element("connection-state", HTMLElement);
const subscriptionState = element("subscription-state", HTMLElement);
const publishForm = element("publish", HTMLFormElement);
const textInput = element("text", HTMLInputElement);
const publications = element("publications", HTMLUListElement);
const historyButton = element("history", HTMLButtonElement);
const position = element("position", HTMLParagraphElement);
const past = element("past", HTMLUListElement);
const present = element("present", HTMLUListElement);
const count = element("count", HTMLSpanElement);
const events = element("events", HTMLUListElement);

/** A websocket as the browser has it; it is remembered, so that it can be cut. */
let websocket: WebSocket | undefined;
class CuttableWebSocket extends WebSocket {
  constructor(url: string | URL, protocols?: string | string[]) {
    super(url, protocols);
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- it is made inside of the client
    websocket = this;
  }
}

interface Session {
  readonly client: Centrifuge;
  readonly subscription: Subscription;
  readonly options: Partial<Options>;
  /** By the id of the client. */
  readonly present: Map<string, ClientInfo>;
  /** Who came (with info) and went while the answer to the question who is here is awaited. */
  changes: Map<string, ClientInfo | undefined> | undefined;
  /** This page's id on the present connection. */
  id: string;
  /** While publications are delivered that were missed. */
  recovering: boolean;
}

let session: Session | undefined;

/** What others publish is text here and never markup: lines are made with textContent. */
function line(list: HTMLUListElement, text: string, kind = ""): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const item = document.createElement("li");
  item.textContent = text.length > shownCharacters ? `${text.slice(0, shownCharacters)} …` : text;
  if (kind !== "") item.className = kind;
  list.append(item);
  if (list.children.length > keptLines) list.firstElementChild?.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function event(text: string, kind = ""): void {
  line(events, `${new Date().toLocaleTimeString()} ${text}`, kind);
}

function messageOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error);
  const code = "code" in error ? `${String(error.code)}: ` : "";
  return `${code}${String(error.message)}`;
}

function nameOf({ user, client }: ClientInfo, own: string): string {
  const name = user === "" ? "anonymous" : user;
  return `${name} (${client.slice(0, 8)})${client === own ? ", this page" : ""}`;
}

function publicationText({ data, offset, info }: PublicationContext, own: string): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  const number = offset === undefined ? "" : `${String(offset)}  `;
  // Services publish without the protocol, and have no client info.
  const from = info === undefined ? "a service" : nameOf(info, own);
  return `${number}${text} – ${from}`;
}

function showState(): void {
  const client = session?.client.state ?? State.Disconnected;
  const subscription = session?.subscription.state ?? SubscriptionState.Unsubscribed;
  connectionState.textContent = client;
  subscriptionState.textContent = subscription;
  const subscribed = subscription === SubscriptionState.Subscribed;
  disconnectButton.disabled = client === State.Disconnected;
  dropButton.disabled = !subscribed;
  historyButton.disabled = !subscribed;
  textInput.disabled = !subscribed;
  for (const button of publishForm.querySelectorAll("button")) button.disabled = !subscribed;
}

function showPresent({ present: clients, id }: Session): void {
  count.textContent = String(clients.size);
  const items = [...clients.values()].slice(0, keptLines).map((info) => {
    const item = document.createElement("li");
    item.textContent = nameOf(info, id);
    return item;
  });
  present.replaceChildren(...items);
}

function change(current: Session, id: string, info: ClientInfo | undefined): void {
  if (info === undefined) current.present.delete(id);
  else current.present.set(id, info);
}

async function askWhoIsHere(current: Session): Promise<void> {
  // The answer may be older than what is heard before it comes.
  const changes = new Map<string, ClientInfo | undefined>();
  current.changes = changes;
  try {
    const { clients } = await current.subscription.presence();
    if (session !== current || current.changes !== changes) return;
    current.changes = undefined;
    current.present.clear();
    for (const [id, info] of [...Object.entries(clients), ...changes]) change(current, id, info);
    showPresent(current);
  } catch (error) {
    event(`presence: ${messageOf(error)}`, "error");
  }
}

function onSubscribed(current: Session, context: SubscribedContext): void {
  const { channel, wasRecovering, recovered, streamPosition } = context;
  const at = streamPosition === undefined ? "" : ` at offset ${String(streamPosition.offset)}`;
  if (!wasRecovering) event(`subscribed to ${channel}${at}`);
  else if (recovered) event(`subscribed again${at}: everything that was missed follows`);
  else event(`subscribed again${at}: what was missed is gone`, "error");
  // They are delivered in the same turn.
  current.recovering = recovered;
  queueMicrotask(() => {
    current.recovering = false;
  });
  void askWhoIsHere(current);
}

function start(channel: string, token: string): Session {
  const url = new URL("/connection/websocket", location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const options = token === "" ? {} : { token };
  const client = new Centrifuge(url.href, { ...options, websocket: CuttableWebSocket });
  const subscription = client.newSubscription(channel, { recoverable: true, joinLeave: true });
  const current: Session = {
    ...{ client, subscription, options },
    ...{ present: new Map(), changes: undefined, id: "", recovering: false },
  };
  watch(current);
  return current;
}

function watch(current: Session): void {
  const { client, subscription } = current;
  const show = (): void => {
    if (session === current) showState();
  };
  client.on("state", show);
  subscription.on("state", show);
  client.on("connected", ({ client: id }) => {
    current.id = id;
    event(`connected as ${id.slice(0, 8)}`);
  });
  client.on("connecting", ({ code, reason }) => {
    event(`connecting (${String(code)}: ${reason})`);
  });
  client.on("disconnected", ({ code, reason }) => {
    event(`disconnected (${String(code)}: ${reason})`, code === 0 ? "" : "error");
  });
  client.on("error", ({ type, error }) => {
    event(`${type}: ${messageOf(error)}`, "error");
  });
  subscription.on("subscribed", (context) => {
    onSubscribed(current, context);
  });
  subscription.on("unsubscribed", ({ code, reason }) => {
    event(`unsubscribed (${String(code)}: ${reason})`, code === 0 ? "" : "error");
  });
  subscription.on("error", ({ type, error }) => {
    event(`${type}: ${messageOf(error)}`, "error");
  });
  subscription.on("publication", (publication) => {
    const text = publicationText(publication, current.id);
    if (current.recovering) line(publications, `${text} – recovered`, "recovered");
    else line(publications, text);
  });
  const changed = (info: ClientInfo, isHere: boolean): void => {
    change(current, info.client, isHere ? info : undefined);
    current.changes?.set(info.client, isHere ? info : undefined);
    showPresent(current);
    event(`${nameOf(info, current.id)} ${isHere ? "joined" : "left"}`);
  };
  subscription.on("join", ({ info }) => {
    changed(info, true);
  });
  subscription.on("leave", ({ info }) => {
    changed(info, false);
  });
}

/** Cuts the websocket, and lets another client publish before this one is back. */
async function drop({ subscription: { channel }, options }: Session): Promise<void> {
  const url = websocket?.url;
  if (url === undefined) return;
  const other = new Centrifuge(url, options);
  const its = other.newSubscription(channel);
  its.subscribe();
  other.connect();
  try {
    await its.ready(5_000);
    // The client waits for half a second or more before it connects again.
    websocket?.close();
    for (const n of [1, 2, 3]) await its.publish(`${String(n)} of 3 while you were away`);
  } catch (error) {
    event(`the other client: ${messageOf(error)}`, "error");
  } finally {
    other.disconnect();
  }
}

async function readHistory({ subscription, id }: Session): Promise<void> {
  try {
    const found = await subscription.history({ limit: readAtOnce, reverse: true });
    position.textContent = `The newest offset is ${String(found.offset)}, in epoch ${found.epoch}.`;
    past.replaceChildren();
    past.hidden = false;
    for (const publication of found.publications) line(past, publicationText(publication, id));
    past.scrollTop = 0;
  } catch (error) {
    event(`history: ${messageOf(error)}`, "error");
  }
}

function disconnect(): void {
  session?.client.disconnect();
  present.replaceChildren();
  count.textContent = "0";
  showState();
}

connectForm.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  disconnect();
  for (const list of [publications, past]) list.replaceChildren();
  past.hidden = true;
  position.textContent = "";
  session = start(channelInput.value, tokenInput.value.trim());
  session.subscription.subscribe();
  session.client.connect();
});

disconnectButton.addEventListener("click", disconnect);

dropButton.addEventListener("click", () => {
  if (session !== undefined) void drop(session);
});

historyButton.addEventListener("click", () => {
  if (session !== undefined) void readHistory(session);
});

publishForm.addEventListener("submit", (submitted) => {
  submitted.preventDefault();
  if (session === undefined) return;
  session.subscription.publish(textInput.value).then(
    () => {
      textInput.value = "";
    },
    (error: unknown) => {
      event(`publish: ${messageOf(error)}`, "error");
    },
  );
});

showState();
