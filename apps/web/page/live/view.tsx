import type { JSX } from "preact";
import { Notice } from "../ui/notice.tsx";

/** The view "Live". */
export function LiveView(): JSX.Element {
  return <Notice kind="empty" title="There is nothing here yet." />;
}
