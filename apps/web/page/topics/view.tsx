import type { JSX } from "preact";
import { Notice } from "../ui/notice.tsx";

/** The view "Topics". */
export function TopicsView(): JSX.Element {
  return <Notice kind="empty" title="There is nothing here yet." />;
}
