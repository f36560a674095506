import type {
  InstancePart,
  KillTarget,
  NatsPart,
  Picture,
  ServicePart,
  TopicPart,
  VersionPart,
} from "./picture.ts";

export type Tone = "good" | "busy" | "quiet";

export interface Box {
  readonly id: string;
  readonly kind:
    | "client"
    | "group"
    | "service"
    | "version"
    | "row"
    | "instance"
    /** Text that stands for what there is no room for, or is not there. */
    | "note";
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Cut to its room. */
  readonly text: string;
  /** At the right end; cut as well. */
  readonly detail?: string;
  /** All that was cut. */
  readonly title: string;
  readonly tone?: Tone;
  /** Of the box that it is in. */
  readonly inside?: string;
  /** How often its process was started. */
  readonly starts?: number;
  /** That its process can be ended. */
  readonly kill?: { readonly target: KillTarget; readonly name: string };
}

export interface Line {
  readonly id: string;
  readonly kind: "request" | "bus" | "push";
  readonly from: string;
  readonly to: string;
  /** Unlike what is usual: what it stands for is not there just now. */
  readonly tone?: "busy";
  /** For `d` of an SVG path. */
  readonly path: string;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Those that hold others come first. */
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
}

/** From left to right: who asks, where it goes, who answers, and what they share. */
const columns = {
  client: { x: 0, width: 134 },
  rules: { x: 176, width: 212 },
  services: { x: 456, width: 408 },
  shared: { x: 940, width: 240 },
} as const;

const head = 34;
const row = 26;
const gap = 6;
const pad = 12;
const apart = 16;
const chip = { height: 26, perRow: 3 } as const;
const most = { rules: 12, versions: 4, instances: 12, machines: 7, subscriptions: 8 } as const;
/** Wide letters, so that what fits by this fits in any face. */
const letter = 7.9;
const smallLetter = 6.8;

/** How the connection of this page is: it is a client, too. */
export type PageState = "connected" | "connecting" | "disconnected";

/** Where everything of a picture stands: without overlap, and whole however much there is. */
export function layoutOf(picture: Picture, page?: PageState): Layout {
  const shared = [
    ...(picture.nats.length > 0 ? [natsBoxes(picture.nats)] : []),
    ...picture.topics.map(topicBoxes),
  ];
  const services = inOrder(picture).map(serviceBoxes);
  const rules = ruleBoxes(picture);
  const client = clientBoxes(page);
  const height = Math.max(...[[client], [rules], services, shared].map(stackHeight));
  const boxes = [
    ...stack([client], columns.client.x, height),
    ...stack([rules], columns.rules.x, height),
    ...stack(services, columns.services.x, height),
    ...stack(shared, columns.shared.x, height),
  ];
  return {
    width: columns.shared.x + columns.shared.width,
    height,
    boxes,
    lines: linesOf(picture, boxes, page),
  };
}

/** The services in the order of the rules, so that the lines between them do not cross. */
export function inOrder({ services, rules }: Picture): readonly ServicePart[] {
  const rank = ({ service }: ServicePart): number => {
    const rule = rules.findIndex((one) => one.service === service);
    return rule === -1 ? rules.length : rule;
  };
  return [...services].sort((a, b) => rank(a) - rank(b));
}

/** Boxes from a corner of their own at 0, 0. */
interface Part {
  readonly height: number;
  readonly boxes: readonly Box[];
}

function stackHeight(parts: readonly Part[]): number {
  return parts.reduce((sum, { height }) => sum + height + apart, -apart);
}

/** One below the other, around the middle. */
function stack(parts: readonly Part[], x: number, height: number): Box[] {
  let y = (height - stackHeight(parts)) / 2;
  return parts.flatMap((part) => {
    const top = y;
    y += part.height + apart;
    return part.boxes.map((box) => ({ ...box, x: box.x + x, y: box.y + top }));
  });
}

function clientBoxes(page: PageState | undefined): Part {
  const { width } = columns.client;
  const heading = { kind: "client", text: "Clients", title: "Browsers, phones, services" } as const;
  if (page === undefined) {
    return group("client", width, heading, [note("client/all", "browsers, apps")]);
  }
  const text = { connected: "this page", connecting: "connecting", disconnected: "offline" }[page];
  return group("client", width, heading, [
    {
      ...{ id: "client/page", kind: "instance", tone: toneOf(page) },
      ...{ text: cut(text, width - 2 * pad), title: `this page: ${page}` },
    },
    note("client/all", "and others"),
  ]);
}

/** A box with a heading and rows in it. */
function group(
  id: string,
  width: number,
  heading: Pick<Box, "text" | "title"> & Partial<Box>,
  rows: readonly Row[],
): Part {
  const height = head + rows.length * row + pad;
  return {
    height,
    boxes: [
      { kind: "group", ...heading, id, x: 0, y: 0, width, height },
      ...rows.map((one, index): Box => ({
        kind: "row",
        ...one,
        ...{ x: pad, y: head + index * row, width: width - 2 * pad, height: row - 2, inside: id },
      })),
    ],
  };
}

type Row = Pick<Box, "id" | "text" | "title"> & Partial<Box>;

function ruleBoxes({ rules, services }: Picture): Part {
  const { width } = columns.rules;
  const rows = atMost(rules, most.rules, "rule").map((rule, index): Row => {
    if (typeof rule === "string") return note(`rules/more`, rule);
    const title = `${rule.path} → ${rule.service}`;
    return { id: `rule/${index}`, text: cut(rule.path, width - 2 * pad - 16), title };
  });
  const rest = services.some(({ service }) => service === "default")
    ? [{ id: "rule/else", text: "everything else", title: "everything else → default" }]
    : [];
  return group("rules", width, { text: "Dispatch rules", title: "Dispatch rules" }, [
    ...rows,
    ...rest,
  ]);
}

function serviceBoxes(service: ServicePart): Part {
  const { width } = columns.services;
  const id = `service/${service.service}`;
  const inner = width - 2 * pad;
  const boxes: Box[] = [];
  let y = head;
  const put = (box: Omit<Box, "y" | "inside">, height = box.height): void => {
    boxes.push({ ...box, y, inside: id });
    y += height;
  };
  const line = (key: string, text: string): void => {
    put({ ...note(`${id}/${key}`, cut(text, inner)), x: pad, width: inner, height: row - 2 }, row);
  };
  for (const version of atMost(service.versions, most.versions, "version")) {
    if (typeof version === "string") {
      line("more", version);
      continue;
    }
    const key = `${id}/${version.version}`;
    put(
      {
        ...{ id: key, kind: "version", x: pad, width: inner, height: row - 2 },
        ...{ text: cut(version.version, inner - 80), title: version.version },
        ...(version.share === null ? {} : { detail: percent(version.share) }),
      },
      row,
    );
    for (const box of instanceBoxes(key, id, version, y)) boxes.push(box);
    y +=
      Math.ceil(Math.min(version.instances.length, most.instances) / chip.perRow) *
      (chip.height + gap);
  }
  if (service.versions.length === 0) line("none", absenceText(service));
  if (service.idleVersions !== undefined) line("idle", idleText(service.idleVersions));
  const height = y + pad - gap;
  return {
    height,
    boxes: [
      {
        ...{ id, kind: "service", x: 0, y: 0, width, height },
        ...{ text: cut(service.service, 150), title: service.service },
        detail: kindText(service),
      },
      ...boxes,
    ],
  };
}

/** As wide as they may be: a few have more room for what is to say of them. */
function instanceBoxes(key: string, inside: string, { instances }: VersionPart, y: number): Box[] {
  const perRow = instances.length < chip.perRow ? chip.perRow - 1 : chip.perRow;
  const inner = columns.services.width - 2 * pad;
  const width = Math.floor((inner - (perRow - 1) * gap) / perRow);
  return atMost(instances, most.instances, "").map((instance, index): Box => {
    const place = {
      x: pad + (index % perRow) * (width + gap),
      y: y + Math.floor(index / perRow) * (chip.height + gap),
      ...{ width, height: chip.height, inside },
    };
    if (typeof instance === "string") return { ...note(`${key}/more`, instance), ...place };
    const { id, state } = instance;
    const detail = shortWords[state];
    return {
      ...{ id: `${key}/${index}`, kind: "instance", ...place },
      text: cut(id, width - 32 - detail.length * smallLetter),
      ...(detail === "" ? {} : { detail }),
      ...processOf(instance, id),
    };
  });
}

/** What is true of nearly all of them need not be said of each. */
const shortWords = {
  live: "",
  starting: "starts",
  restarting: "restarts",
  stopping: "stops",
} as const satisfies Record<InstancePart["state"], string>;

function processOf(
  { state, starts, kill }: InstancePart | NatsPart,
  name: string,
): Pick<Box, "title" | "tone" | "starts" | "kill"> {
  const times = starts === undefined || starts < 2 ? "" : `, started ${starts} times`;
  return {
    title: `${name}: ${state}${times}`,
    tone: toneOf(state),
    ...(starts === undefined ? {} : { starts }),
    ...(kill === undefined ? {} : { kill: { target: kill, name } }),
  };
}

function natsBoxes(machines: readonly NatsPart[]): Part {
  const { width } = columns.shared;
  const rows = atMost(machines, most.machines, "machine").map((machine): Row => {
    if (typeof machine === "string") return note("nats/more", machine);
    const { name, state } = machine;
    return {
      ...{ id: `nats/${name}`, kind: "instance", detail: state, ...processOf(machine, name) },
      text: cut(name, width - 2 * pad - 120),
    };
  });
  return group("nats", width, { text: "NATS", title: "NATS" }, rows);
}

function topicBoxes({ name, subscriptions }: TopicPart): Part {
  const { width } = columns.shared;
  const id = `topic/${name}`;
  const rows = atMost(subscriptions, most.subscriptions, "subscription").map(
    (subscription, index): Row => {
      if (typeof subscription === "string") return note(`${id}/more`, subscription);
      const to = receiverOf(subscription);
      return {
        id: `${id}/${index}`,
        text: cut(subscription.name, width - 2 * pad - 80),
        title: `${subscription.name} → ${to}`,
        detail: cut(to, 64),
      };
    },
  );
  return group(
    id,
    width,
    { text: cut(name, width - 2 * pad - 64), detail: "topic", title: `topic ${name}` },
    rows.length > 0 ? rows : [note(`${id}/none`, "no subscription")],
  );
}

function linesOf(
  { rules, services, nats, topics }: Picture,
  boxes: readonly Box[],
  page: PageState | undefined,
): Line[] {
  const box = new Map(boxes.map((one) => [one.id, one]));
  const line = (kind: Line["kind"], fromId: string, toId: string, at = head / 2): Line[] => {
    const [from, to] = [box.get(fromId), box.get(toId)];
    if (from === undefined || to === undefined) return [];
    // From the nearer side to the nearer side; to the heading of a box that has one.
    const rightwards = from.x < to.x;
    const x1 = rightwards ? from.x + from.width : from.x;
    const x2 = rightwards ? to.x : to.x + to.width;
    const y1 = from.y + (from.kind === "row" || from.kind === "client" ? from.height / 2 : at);
    const y2 = to.y + (at < 0 ? to.height + at : at);
    const bend = (x2 - x1) / 2;
    const path = `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
    return [{ id: `${fromId} ${toId}`, kind, from: fromId, to: toId, path }];
  };
  const groupMiddle = (box.get("rules")?.height ?? 0) / 2;
  const busy = (lines: Line[], isBusy: boolean): Line[] =>
    isBusy ? lines.map((one) => ({ ...one, tone: "busy" })) : lines;
  const isPageAway = page !== undefined && page !== "connected";
  const isNatsAway = nats.length > 0 && nats.every(({ state }) => toneOf(state) === "busy");
  return [
    ...busy(line("request", "client", "rules", groupMiddle), isPageAway),
    ...rules.flatMap(({ service }, index) =>
      line("request", `rule/${index}`, `service/${service}`),
    ),
    ...line("request", "rule/else", "service/default"),
    ...services.flatMap((one) =>
      one.nats === true ? busy(line("bus", `service/${one.service}`, "nats"), isNatsAway) : [],
    ),
    ...topics.flatMap(({ name, subscriptions }) =>
      subscriptions.flatMap(({ service }, index) =>
        // Below the line to NATS.
        line("push", `topic/${name}/${index}`, `service/${service}`, -head / 2),
      ),
    ),
  ];
}

/** The first ones, and what to say of the rest. */
function atMost<Part>(parts: readonly Part[], count: number, what: string): (Part | string)[] {
  if (parts.length <= count) return [...parts];
  const rest = parts.length - count + 1;
  return [...parts.slice(0, count - 1), what === "" ? `+ ${rest}` : `and ${rest} ${what}s more`];
}

function note(id: string, text: string): Pick<Box, "id" | "kind" | "text" | "title"> {
  return { id, kind: "note", text, title: text };
}

/** A text in so much room. */
export function cut(text: string, room: number): string {
  const count = Math.max(1, Math.floor(room / letter));
  return text.length <= count ? text : `${text.slice(0, count - 1)}…`;
}

export function toneOf(state: InstancePart["state"] | NatsPart["state"] | PageState): Tone {
  switch (state) {
    case "live":
    case "connected":
      return "good";
    case "starting":
    case "restarting":
    case "connecting":
      return "busy";
    case "disconnected":
    case "stopping":
    case "declared":
      return "quiet";
    default:
      return state satisfies never;
  }
}

/** Whom a subscription pushes to. */
export function receiverOf({ service, index }: TopicPart["subscriptions"][number]): string {
  if (service === "") return "elsewhere";
  return index === undefined ? service : `${service}.${index}`;
}

/** What is to say of a service of which nothing is seen. */
export function absenceText({ unseen }: ServicePart): string {
  return unseen === true ? "declared; whether it runs is not seen here" : "declared, not there";
}

function kindText({ kind, scaling }: ServicePart): string {
  return kind === undefined ? "not declared" : `${kind}, ${scaling ?? "unknown"} scaling`;
}

export function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10} %`;
}

export function idleText(count: number): string {
  return count === 1
    ? "1 older version without traffic"
    : `${count} older versions without traffic`;
}
