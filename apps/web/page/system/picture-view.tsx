import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { Question } from "../ui/confirm.tsx";
import { type Box, type Layout, layoutOf, type PageState } from "./layout.ts";
import type { KillIt } from "./list-view.tsx";
import type { Picture } from "./picture.ts";

/**
 * The picture for who sees it, in a window that is wide enough. The list below it says the same, and has
 * the buttons for what a press on a process does here, so the drawing is kept from screen readers.
 */
export function PictureView({
  picture,
  page,
  kill,
}: {
  readonly picture: Picture;
  readonly page: PageState;
  readonly kill: KillIt;
}): JSX.Element {
  const { width, height, boxes, lines } = layoutOf(picture, page);
  const [asked, setAsked] = useState<string>();
  const stage = useRef<HTMLDivElement>(null);
  const started = useRef(new Map<string, number>());
  /** Whether its process was started again since it is shown here. */
  const isAgain = ({ id, starts = 0 }: Box): boolean => {
    const first = started.current.get(id);
    if (first === undefined) started.current.set(id, starts);
    return first !== undefined && starts > first;
  };
  const about = boxes.find(({ id }) => id === asked);
  const end = (): void => {
    setAsked(undefined);
    stage.current?.focus({ preventScroll: true });
  };
  return (
    <div class="system-stage" ref={stage} tabIndex={-1}>
      <Drawing
        {...{ width, height, boxes, lines, asked, isAgain }}
        onPress={kill === undefined ? undefined : setAsked}
      />
      {about?.kill === undefined || kill === undefined ? null : (
        <div
          key={about.id}
          class="system-question"
          style={{
            top: `${((about.y + about.height) / height) * 100}%`,
            ...(about.x > width / 2
              ? { right: `${(1 - (about.x + about.width) / width) * 100}%` }
              : { left: `${(about.x / width) * 100}%` }),
          }}
        >
          <Question
            question={`Kill ${about.kill.name}?`}
            confirm="Kill it"
            onConfirm={() => {
              const { target, name } = about.kill ?? {};
              end();
              if (target !== undefined && name !== undefined) kill(target, name);
            }}
            onCancel={end}
            onLeave={() => {
              setAsked(undefined);
            }}
          />
        </div>
      )}
    </div>
  );
}

function Drawing({
  width,
  height,
  boxes,
  lines,
  asked,
  isAgain,
  onPress,
}: Layout & {
  /** Which box is asked about. */
  readonly asked: string | undefined;
  readonly isAgain: (box: Box) => boolean;
  readonly onPress: ((id: string) => void) | undefined;
}): JSX.Element {
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
      {lines.map(({ id, kind, tone, path }) => (
        <path
          key={id}
          class={`system-line system-${kind}${tone === undefined ? "" : ` system-${tone}`}`}
          d={path}
          marker-end={kind === "bus" ? undefined : "url(#system-arrow)"}
        />
      ))}
      {boxes.map((box) => (
        // One that is started again is a new one, which shows itself.
        <Part
          key={`${box.id} ${box.starts ?? 0}`}
          box={box}
          isAsked={box.id === asked}
          isAgain={isAgain(box)}
          onPress={box.kill === undefined ? undefined : onPress}
        />
      ))}
    </svg>
  );
}

/** Where the text of a box begins, and on which line. */
function Part({
  box,
  isAsked,
  isAgain,
  onPress,
}: {
  readonly box: Box;
  readonly isAsked: boolean;
  readonly isAgain: boolean;
  readonly onPress: ((id: string) => void) | undefined;
}): JSX.Element {
  const { id, kind, x, y, width, height, text, detail, title, tone } = box;
  const classes = [
    "system-box",
    `system-${kind}`,
    ...(tone === undefined ? [] : [`system-${tone}`]),
    ...(isAgain ? ["system-again"] : []),
    ...(onPress === undefined ? [] : ["system-mortal"]),
    ...(isAsked ? ["system-asked"] : []),
  ];
  const heading = kind === "service" || kind === "group" || kind === "client";
  const line = heading ? y + 22 : y + height / 2 + 4.5;
  const left = heading ? x + 12 : kind === "instance" ? x + 24 : kind === "row" ? x + 8 : x;
  const right = x + width - (heading ? 12 : kind === "version" ? 0 : 8);
  return (
    <g
      class={classes.join(" ")}
      onClick={
        onPress === undefined
          ? undefined
          : () => {
              onPress(id);
            }
      }
    >
      <title>{onPress === undefined ? title : `${title}. Press to kill it.`}</title>
      {kind === "note" || kind === "version" ? null : (
        <rect x={x} y={y} width={width} height={height} rx={kind === "row" ? 4 : 6} />
      )}
      {kind === "instance" ? (
        <circle class="system-mark" cx={x + 13} cy={y + height / 2} r={4} />
      ) : null}
      <text class="system-text" x={left} y={line}>
        {text}
      </text>
      {detail === undefined ? null : (
        <text class="system-detail" x={right} y={line} text-anchor="end">
          {detail}
        </text>
      )}
    </g>
  );
}
