import type { JSX } from "preact";
import { type Box, type Layout, layoutOf } from "./layout.ts";
import type { Picture } from "./picture.ts";

/**
 * The picture for who sees it, in a window that is wide enough. The list below it says the same, so it is
 * kept from screen readers.
 */
export function PictureView({ picture }: { readonly picture: Picture }): JSX.Element {
  const { width, height, boxes, lines }: Layout = layoutOf(picture);
  return (
    // Room for lines that are as thick as they are.
    <svg class="system-drawing" viewBox={`-1 -1 ${width + 2} ${height + 2}`} aria-hidden="true">
      <defs>
        <marker
          id="system-arrow"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          orient="auto"
        >
          <path class="system-head" d="M0 0L8 4L0 8z" />
        </marker>
      </defs>
      {lines.map(({ id, kind, path }) => (
        <path
          key={id}
          class={`system-line system-${kind}`}
          d={path}
          marker-end={kind === "bus" ? undefined : "url(#system-arrow)"}
        />
      ))}
      {boxes.map((box) => (
        // One that is started again is a new one, which shows itself.
        <Part key={`${box.id} ${box.starts ?? 0}`} box={box} />
      ))}
    </svg>
  );
}

/** Where the text of a box begins, and on which line. */
function Part({ box }: { readonly box: Box }): JSX.Element {
  const { kind, x, y, width, height, text, detail, title, tone, starts = 0 } = box;
  const classes = [
    "system-box",
    `system-${kind}`,
    ...(tone === undefined ? [] : [`system-${tone}`]),
    ...(starts > 1 ? ["system-again"] : []),
  ];
  const heading = kind === "service" || kind === "group";
  const line = heading ? y + 22 : y + height / 2 + 4.5;
  const left = heading ? x + 12 : kind === "instance" ? x + 24 : kind === "row" ? x + 8 : x;
  return (
    <g class={classes.join(" ")}>
      <title>{title}</title>
      {kind === "note" || kind === "version" ? null : (
        <rect x={x} y={y} width={width} height={height} rx={kind === "row" ? 4 : 6} />
      )}
      {kind === "instance" ? (
        <circle class="system-mark" cx={x + 13} cy={y + height / 2} r={4} />
      ) : null}
      {kind === "client" ? (
        <text class="system-text" x={x + width / 2} y={line} text-anchor="middle">
          {text}
        </text>
      ) : (
        <text class="system-text" x={left} y={line}>
          {text}
        </text>
      )}
      {detail === undefined ? null : (
        <text
          class="system-detail"
          x={x + width - (heading ? 12 : kind === "version" ? 0 : 8)}
          y={line}
          text-anchor="end"
        >
          {detail}
        </text>
      )}
    </g>
  );
}
