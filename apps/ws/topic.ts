import { namespaceForm } from "../lib/topic-subject.ts";

/**
 * Wildcards, whatever would end a subject in NATS's protocol, and what is not seen in a log but changes
 * how it reads. A `$` is harmless: no subject of a topic begins with it.
 */
const forbidden = /[*>\s\p{Cc}\p{Cf}\p{Cs}]/u;

/**
 * Why a text cannot be a topic, which is the same as a channel; undefined when it can.
 * A topic is one or more tokens with dots between them, after its namespace if it has one.
 */
export function topicProblem(topic: string, maxCharacters = 255): string | undefined {
  if (topic === "") return "the topic is empty";
  if (isLonger(topic, maxCharacters)) return `the topic is longer than ${maxCharacters} characters`;
  if (forbidden.test(topic)) {
    return "the topic holds one of * >, white space, a control or a format character";
  }
  if (topic.split(".").includes(""))
    return "the topic begins or ends with a dot or has two in a row";
  const { rest } = namespaceForm.exec(topic)?.groups ?? {};
  if (rest === "" || rest?.startsWith(".") === true) {
    return "the topic has nothing or a dot after its namespace";
  }
  return undefined;
}

/** Whether a text has more characters than that, of which each is one or two code units. */
function isLonger(text: string, maxCharacters: number): boolean {
  if (text.length <= maxCharacters) return false;
  return text.length > 2 * maxCharacters || Array.from(text).length > maxCharacters;
}
