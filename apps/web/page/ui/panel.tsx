import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

/** A part of a view with a heading of its own. */
export function Panel({
  title,
  actions,
  children,
  class: more,
}: {
  readonly title: ComponentChildren;
  /** Buttons beside the heading. */
  readonly actions?: ComponentChildren;
  readonly children: ComponentChildren;
  /** A class of the feature, beside the panel's own. */
  readonly class?: string;
}): JSX.Element {
  const id = useId();
  return (
    <section class={more === undefined ? "panel" : `panel ${more}`} aria-labelledby={id}>
      <div class="panel-head">
        <h3 id={id}>{title}</h3>
        {actions === undefined ? null : <div class="row">{actions}</div>}
      </div>
      {children}
    </section>
  );
}
