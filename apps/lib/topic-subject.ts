/** Every topic lives below this prefix, so that none can name a subject of NATS's own. */
const prefix = "t.";

/** The NATS subject of a topic that has no problem. */
export function topicSubject(topic: string): string {
  return `${prefix}${topic}`;
}
