import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";

/**
 * A button for what cannot be taken back. It asks in its own place, so that the page goes on being
 * read and used meanwhile; Escape, or focus that goes elsewhere, is a no.
 */
export function ConfirmButton({
  label,
  question,
  confirm,
  onConfirm,
  name,
  disabled = false,
}: {
  readonly label: ComponentChildren;
  readonly question: string;
  /** On the button that does it: the deed, not "OK". */
  readonly confirm: string;
  readonly onConfirm: () => void;
  /** For screen readers, where `label` says too little out of its place: it begins with the label. */
  readonly name?: string;
  readonly disabled?: boolean;
}): JSX.Element {
  const [asked, setAsked] = useState(false);
  const id = useId();
  const button = useRef<HTMLButtonElement>(null);
  const no = useRef<HTMLButtonElement>(null);
  /** Whether the button has to get back the focus that it gave to the question. */
  const returns = useRef(false);
  useEffect(() => {
    // On the harmless one: whoever presses Enter twice has changed nothing.
    if (asked) no.current?.focus();
    else if (returns.current) button.current?.focus();
    returns.current = false;
  }, [asked]);
  const end = (): void => {
    returns.current = true;
    setAsked(false);
  };
  if (!asked) {
    return (
      <button
        ref={button}
        type="button"
        class="danger"
        aria-label={name}
        disabled={disabled}
        onClick={() => {
          setAsked(true);
        }}
      >
        {label}
      </button>
    );
  }
  return (
    <span
      class="confirm"
      role="group"
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key === "Escape") end();
      }}
      onFocusOut={({ currentTarget, relatedTarget }) => {
        // No relatedTarget: the window lost the focus, or the pointer is on what takes none.
        if (relatedTarget instanceof Node && !currentTarget.contains(relatedTarget)) {
          setAsked(false);
        }
      }}
    >
      <span id={id} class="confirm-question">
        {question}
      </span>
      <button
        type="button"
        class="danger"
        onClick={() => {
          end();
          onConfirm();
        }}
      >
        {confirm}
      </button>
      <button ref={no} type="button" onClick={end}>
        Cancel
      </button>
    </span>
  );
}
