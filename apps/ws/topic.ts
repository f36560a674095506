/** The most characters that a topic may have. */
const maxTopicCharacters = 255;

/**
 * Wildcards, what begins a system subject, whatever would end a subject in NATS's protocol, and what is
 * not seen in a log but changes how it reads.
 */
const forbidden = /[*>$\s\p{Cc}\p{Cf}\p{Cs}]/u;

/**
 * Why a text cannot be a topic; undefined when it can.
 * A topic is one or more tokens with dots between them.
 */
export function topicProblem(topic: string): string | undefined {
  if (topic === "") return "the topic is empty";
  if (Array.from(topic).length > maxTopicCharacters) {
    return `the topic is longer than ${maxTopicCharacters} characters`;
  }
  if (forbidden.test(topic)) {
    return "the topic holds one of * > $, white space, a control or a format character";
  }
  if (topic.split(".").includes(""))
    return "the topic begins or ends with a dot or has two in a row";
  return undefined;
}
