/**
 * A topic in a namespace: `chat:room` and, private, `$chat:room`. What stands before the first colon is
 * a namespace only if it can be the name of one; it holds no dot, so that it is one token of a subject.
 */
export const namespaceForm: RegExp = /^(?<namespace>\$?[A-Za-z0-9_-]{2,}):(?<rest>.*)$/su;

/**
 * The NATS subject of a topic that has no problem: `t.` and the topic, or `n.`, its namespace and the
 * rest, so that each namespace can have its own stream. No two topics share a subject, and none names
 * a subject of NATS's own.
 */
export function topicSubject(topic: string): string {
  const { namespace, rest } = namespaceForm.exec(topic)?.groups ?? {};
  return namespace === undefined || rest === undefined ? `t.${topic}` : `n.${namespace}.${rest}`;
}
