import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fold, unfold } from "./payload.ts";

/** A payload as text; a long one is folded. */
export function PayloadText({
  data,
  onOpen,
}: {
  readonly data: unknown;
  readonly onOpen?: () => void;
}): JSX.Element {
  const [open, setOpen] = useState(false);
  const { text, plain, cut } = useMemo(() => (open ? unfold(data) : fold(data)), [data, open]);
  return (
    <div class="topics-payload">
      <span class={plain ? "topics-text" : "topics-text mono"}>
        {text}
        {cut ? "…" : null}
      </span>
      {open && cut ? <span class="quiet small"> The rest is not shown. </span> : null}
      {cut || open ? (
        <button
          type="button"
          class="plain topics-unfold"
          aria-expanded={open}
          onClick={() => {
            if (!open) onOpen?.();
            setOpen(!open);
          }}
        >
          {open ? "Show less" : "Show all"}
        </button>
      ) : null}
    </div>
  );
}
