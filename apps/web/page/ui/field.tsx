import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

/**
 * A labelled input. What is wrong with its value stands below it, and is tied to it for screen readers.
 *
 * @param input is given the attributes that tie the two together: spread them on the input
 */
export function Field({
  label,
  hint,
  problem,
  input,
}: {
  readonly label: ComponentChildren;
  readonly hint?: string;
  /** Undefined while the value is right. */
  readonly problem?: string | undefined;
  readonly input: (attributes: {
    readonly id: string;
    readonly "aria-describedby": string | undefined;
    readonly "aria-invalid": true | undefined;
  }) => JSX.Element;
}): JSX.Element {
  const id = useId();
  const described = [
    ...(hint === undefined ? [] : [`${id}-hint`]),
    ...(problem === undefined ? [] : [`${id}-problem`]),
  ];
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {input({
        id,
        "aria-describedby": described.length > 0 ? described.join(" ") : undefined,
        "aria-invalid": problem === undefined ? undefined : true,
      })}
      {hint === undefined ? null : (
        <p class="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem === undefined ? null : (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}
