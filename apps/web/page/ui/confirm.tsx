import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

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
  const button = useRef<HTMLButtonElement>(null);
  /** Whether the button has to get back the focus that it gave to the question. */
  const returns = useRef(false);
  // At once, so that no key that follows is lost.
  useLayoutEffect(() => {
    if (!asked && returns.current) button.current?.focus();
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
    <Question
      question={question}
      confirm={confirm}
      onConfirm={() => {
        end();
        onConfirm();
      }}
      onCancel={end}
      onLeave={() => {
        setAsked(false);
      }}
    />
  );
}

/** The question alone, for what is no button; it takes the focus. */
export function Question({
  question,
  confirm,
  onConfirm,
  onCancel,
  onLeave,
}: {
  readonly question: string;
  readonly confirm: string;
  readonly onConfirm: () => void;
  readonly onCancel: () => void;
  /** The focus has gone elsewhere: a no, too, which must not take it back. */
  readonly onLeave: () => void;
}): JSX.Element {
  const id = useId();
  const no = useRef<HTMLButtonElement>(null);
  // On the harmless one: whoever presses Enter twice has changed nothing.
  useLayoutEffect(() => no.current?.focus(), []);
  return (
    <span
      class="confirm"
      role="group"
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key === "Escape") onCancel();
      }}
      onFocusOut={({ currentTarget, relatedTarget }) => {
        // No relatedTarget: the window lost the focus, or the pointer is on what takes none.
        if (relatedTarget instanceof Node && !currentTarget.contains(relatedTarget)) onLeave();
      }}
    >
      <span id={id} class="confirm-question">
        {question}
      </span>
      {/* First, so that Tab leads from it to the deed, and not out of the question. */}
      <button ref={no} type="button" onClick={onCancel}>
        Cancel
      </button>
      <button type="button" class="danger" onClick={onConfirm}>
        {confirm}
      </button>
    </span>
  );
}
