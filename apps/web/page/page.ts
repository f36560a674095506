import { element } from "./element.ts";

/** The page keeps this many messages and forgets older ones. */
const keptMessages = 500;
/** A longer message is cut in the list, never in transit. */
const shownCharacters = 2_000;

const connectForm = element("connect", HTMLFormElement);
const topicInput = element("topic", HTMLInputElement);
const disconnectButton = element("disconnect", HTMLButtonElement);
const state = element("state", HTMLParagraphElement);
const sendForm = element("send", HTMLFormElement);
const messageInput = element("message", HTMLInputElement);
const list = element("messages", HTMLOListElement);
const count = element("count", HTMLSpanElement);

let websocket: WebSocket | undefined;
let received = 0;
let waiting: string[] = [];

function showState(text: string, open: boolean): void {
  state.textContent = text;
  disconnectButton.disabled = websocket === undefined;
  messageInput.disabled = !open;
  for (const button of sendForm.querySelectorAll("button")) button.disabled = !open;
}

/** Shows what arrived since the last picture: a burst must not cost one layout per message. */
function showMessages(): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const texts = waiting.slice(-keptMessages);
  waiting = [];
  const items = texts.map((text) => {
    const item = document.createElement("li");
    // textContent: what others publish is text here and never markup.
    item.textContent = text.length > shownCharacters ? `${text.slice(0, shownCharacters)} …` : text;
    return item;
  });
  list.append(...items);
  while (list.children.length > keptMessages) list.firstElementChild?.remove();
  list.start = received - list.children.length + 1;
  count.textContent = String(received);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

function take(text: string): void {
  received += 1;
  waiting.push(text);
  if (waiting.length > keptMessages) waiting.shift();
  else if (waiting.length === 1) requestAnimationFrame(showMessages);
}

function disconnect(): void {
  const old = websocket;
  websocket = undefined;
  old?.close(1000);
  showState("Not connected.", false);
}

function connect(topic: string): void {
  disconnect();
  received = 0;
  waiting = [];
  list.replaceChildren();
  count.textContent = "0";
  const url = new URL(`/ws/${encodeURIComponent(topic)}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  const next = new WebSocket(url);
  websocket = next;
  showState(`Connecting to ${topic} …`, false);
  next.addEventListener("open", () => {
    if (websocket === next) showState(`Connected to ${topic}.`, true);
  });
  next.addEventListener("message", (event: MessageEvent<unknown>) => {
    if (websocket === next && typeof event.data === "string") take(event.data);
  });
  next.addEventListener("close", (event) => {
    if (websocket !== next) return;
    websocket = undefined;
    const reason = event.reason === "" ? "" : `: ${event.reason}`;
    showState(`The connection ended (${String(event.code)}${reason}).`, false);
  });
}

connectForm.addEventListener("submit", (event) => {
  event.preventDefault();
  connect(topicInput.value);
});

disconnectButton.addEventListener("click", disconnect);

sendForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (websocket?.readyState !== WebSocket.OPEN) return;
  websocket.send(messageInput.value);
  messageInput.value = "";
});

/** The sentence that an answer's JSON says, whether success or error. */
function sentence(status: number, answer: unknown): string {
  if (typeof answer === "object" && answer !== null) {
    if ("res" in answer) return `= ${String(answer.res)}`;
    if ("error" in answer && typeof answer.error === "object" && answer.error !== null) {
      if ("message" in answer.error) return `${String(status)}: ${String(answer.error.message)}`;
    }
  }
  return `Status ${String(status)}`;
}

async function compute(form: HTMLFormElement): Promise<string> {
  const data = new FormData(form);
  const operand = (name: string): number | string => {
    const value = data.get(name);
    const text = typeof value === "string" ? value : "";
    return form.dataset["kind"] === "number" ? Number(text) : text;
  };
  try {
    const response = await fetch(form.dataset["path"] ?? "", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ a: operand("a"), b: operand("b") }),
    });
    return sentence(response.status, await response.json().catch(() => undefined));
  } catch {
    return "No answer. Is the service running?";
  }
}

for (const id of ["sum", "concat"]) {
  const form = element(id, HTMLFormElement);
  const output = form.querySelector("output");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void compute(form).then((text) => {
      if (output !== null) output.textContent = text;
    });
  });
}

showState("Not connected.", false);
