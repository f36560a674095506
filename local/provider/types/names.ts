/** Ids and links as Compute Engine forms them. */
import type { Props } from "../backend.ts";
import { name, projectOf, regionOf } from "./checks.ts";
import type { Place } from "./type.ts";

export function selfLink(id: string): string {
  return `https://www.googleapis.com/compute/v1/${id}`;
}

export function global(kind: string): (inputs: Props, place: Place) => string {
  return (inputs, place) => `projects/${projectOf(inputs, place)}/global/${kind}/${name(inputs)}`;
}

export function regional(kind: string): (inputs: Props, place: Place) => string {
  return (inputs, place) =>
    `projects/${projectOf(inputs, place)}/regions/${regionOf(inputs, place)}/${kind}/${name(inputs)}`;
}

/** What every thing of Compute Engine has. */
export function computed(_inputs: Props, _place: Place, id: string): Props {
  return { selfLink: selfLink(id), creationTimestamp: "2026-01-01T00:00:00.000-00:00" };
}
