import type { ComponentChildren, JSX } from "preact";

/** A state as a word with a mark beside it: never by colour alone. */
export function Status({
  tone,
  children,
}: {
  readonly tone: "good" | "busy" | "bad" | "quiet";
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <span class={`status status-${tone}`}>
      <span class="status-mark" aria-hidden="true" />
      {children}
    </span>
  );
}
