import type { JSX } from "preact";
import { Notice } from "../ui/notice.tsx";

/** The view "M". */
export function MemoryView(): JSX.Element {
  return <Notice kind="empty" title="There is nothing here yet." />;
}
