import type { JSX } from "preact";
import { Notice } from "../ui/notice.tsx";

/** The view "System". */
export function SystemView(): JSX.Element {
  return <Notice kind="empty" title="There is nothing here yet." />;
}
