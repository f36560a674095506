import type { BusHeaders } from "../lib/bus.ts";
import { encodeTags, type Tags } from "./channel/tags.ts";

/** What a publication is beside its payload. */
export interface PublicationDetails {
  /** Who publishes, as JSON; absent: no client. */
  readonly info?: string | undefined;
  readonly tags?: Tags | undefined;
  /** To be sent as a delta, also where the channel's options do not say so of all. */
  readonly delta?: boolean | undefined;
}

/** The same, as a message on NATS has it. */
export interface DetailTexts {
  readonly info?: string | undefined;
  /** As `encodeTags` makes them, if they are not written by somebody else. */
  readonly tags?: string | undefined;
  readonly delta?: boolean | undefined;
}

const names = {
  info: "Centrifuge-Info",
  tags: "Centrifuge-Tags",
  delta: "Centrifuge-Delta",
} as const;

/** The headers of a message on NATS; undefined when it needs none. */
export function publicationHeaders({
  info,
  tags,
  delta,
}: PublicationDetails): BusHeaders | undefined {
  const hasTags = tags !== undefined && Object.keys(tags).length > 0;
  if (info === undefined && !hasTags && delta !== true) return undefined;
  return {
    ...(info === undefined ? {} : { [names.info]: info }),
    ...(hasTags ? { [names.tags]: encodeTags(tags) } : {}),
    ...(delta === true ? { [names.delta]: "true" } : {}),
  };
}

export function detailsOf(message: { header(name: string): string | undefined }): DetailTexts {
  return {
    info: message.header(names.info),
    tags: message.header(names.tags),
    delta: message.header(names.delta) === "true",
  };
}
