import type { ComponentChildren, JSX } from "preact";

/**
 * Stands where there is nothing to show, and says why and what to do. Errors are announced at once, the
 * rest when the reader comes to it.
 */
export function Notice({
  kind,
  title,
  children,
  action,
}: {
  readonly kind: "empty" | "loading" | "error" | "disconnected";
  readonly title: string;
  readonly children?: ComponentChildren;
  /** A button or a link that leads out of this state. */
  readonly action?: ComponentChildren;
}): JSX.Element {
  return (
    <div class={`notice notice-${kind}`} role={kind === "error" ? "alert" : undefined}>
      <p class="notice-title">{title}</p>
      {children === undefined ? null : <p>{children}</p>}
      {action}
    </div>
  );
}
