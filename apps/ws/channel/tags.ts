import { isRecord } from "../json.ts";

/** What a publication is labelled with, for filters. It has no prototype: `__proto__` is a tag like any other. */
export type Tags = Readonly<Record<string, string>>;

const maxTags = 64;
/** Of a publication's tags as its header has them. */
export const maxTagsBytes = 8_192;

/** Why a publication cannot have these tags; undefined when it can. */
export function tagsProblem(tags: Tags): string | undefined {
  if (Object.keys(tags).length > maxTags) return `there are more than ${maxTags} tags`;
  const bytes = Buffer.byteLength(encodeTags(tags));
  return bytes > maxTagsBytes ? `the tags take more than ${maxTagsBytes} bytes` : undefined;
}

/** Tags as a header of a message on NATS has them. */
export function encodeTags(tags: Tags): string {
  return JSON.stringify(tags);
}

/**
 * The tags of a message on NATS. Whoever may publish there may write any header; what is not as
 * `encodeTags` makes it, or more than may be published, is no tags.
 */
export function decodeTags(header: string | undefined): Tags | undefined {
  // A character takes a byte or more.
  if (header === undefined || header.length > maxTagsBytes) return undefined;
  if (Buffer.byteLength(header) > maxTagsBytes) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(header);
  } catch {
    return undefined;
  }
  if (!isRecord(value) || Array.isArray(value)) return undefined;
  const entries = Object.entries(value);
  if (entries.length === 0 || entries.length > maxTags) return undefined;
  return tagsFrom(entries);
}

/** Tags from names and values; undefined when a value is no text. */
export function tagsFrom(entries: Iterable<readonly [string, unknown]>): Tags | undefined {
  const tags = Object.create(null) as Record<string, string>;
  for (const [name, value] of entries) {
    if (typeof value !== "string") return undefined;
    tags[name] = value;
  }
  return tags;
}
