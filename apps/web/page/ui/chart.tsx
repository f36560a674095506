import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { type ChartData, type ChartLine, drawChart } from "./chart-lines.ts";
import { clockTime } from "./format.ts";

export type { ChartData };

export interface ChartSeries {
  readonly label: string;
  /** A custom property of colours, e.g. `--series-1`. */
  readonly color: string;
}

/** Lines differ by their dashes too, not by colour alone. */
const dashes: readonly (string | undefined)[] = [undefined, "6 4", "2 3", "9 3 2 3"];
const dashOf = (index: number): string | undefined => dashes[index % dashes.length];

export interface ChartProps {
  readonly title: string;
  /** The last values in a sentence. */
  readonly summary: string;
  readonly series: readonly ChartSeries[];
  /** As many points as one can see: what is more is for who makes them to leave out. */
  readonly data: ReadonlySignal<ChartData>;
  readonly height?: number;
  /** Whether x is in seconds since 1970; else it is any number. */
  readonly time?: boolean;
  readonly unit?: string;
  /** What stands below a mark of x; the time of day, or the number, where it is left out. */
  readonly formatX?: (x: number) => string;
}

/** A line chart from zero up. The picture says nothing to who cannot see it: `summary` does. */
export function Chart(props: ChartProps): JSX.Element {
  const { title, summary, series, unit, height = 160 } = props;
  const place = useRef<HTMLDivElement>(null);
  const id = useId();
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const resized = new ResizeObserver(() => {
      setWidth(element.clientWidth);
    });
    resized.observe(element);
    return () => {
      resized.disconnect();
    };
  }, []);
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption>
        <span id={id}>
          {title}
          {unit === undefined ? "" : ` (${unit})`}
        </span>
        {series.length < 2 ? null : (
          <ul class="chart-key">
            {series.map(({ label, color }, index) => (
              <li key={label}>
                <svg aria-hidden="true" style={{ stroke: `var(${color})` }}>
                  <line x2="24" y1="1" y2="1" stroke-dasharray={dashOf(index)} />
                </svg>
                {label}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
      <div ref={place} class="chart-place" style={{ height: `${height}px` }} aria-hidden="true">
        {width === 0 ? null : <Drawing {...props} width={width} height={height} />}
      </div>
      <p class="chart-summary">{summary}</p>
    </figure>
  );
}

/** The part that is drawn anew with each change of the data. */
function Drawing({
  series,
  data,
  width,
  height,
  time = false,
  formatX = time ? timeOfDay : plainly,
}: ChartProps & { readonly width: number; readonly height: number }): JSX.Element {
  const { left, right, bottom, marksX, marksY, lines } = drawChart(data.value, {
    ...{ width, height, time, formatX },
  });
  return (
    <svg width={width} height={height}>
      {marksY.map(({ at, text }) => (
        <g key={text}>
          <line class="chart-grid" x1={left} x2={right} y1={at} y2={at} />
          <text class="chart-mark" x={left - 8} y={at + 4} text-anchor="end">
            {text}
          </text>
        </g>
      ))}
      {marksX.map(({ at, text }) => (
        <text key={text} class="chart-mark" x={at} y={height - 4} text-anchor="middle">
          {text}
        </text>
      ))}
      <line class="chart-axis" x1={left} x2={right} y1={bottom} y2={bottom} />
      {lines.map((line, index) => {
        const one = series[index];
        return one === undefined ? null : (
          <Line
            key={one.label}
            line={line}
            color={`var(${one.color})`}
            dash={dashOf(index)}
            filled={series.length === 1}
          />
        );
      })}
    </svg>
  );
}

function Line({
  line: { path, area, dots },
  color,
  dash,
  filled,
}: {
  readonly line: ChartLine;
  readonly color: string;
  readonly dash: string | undefined;
  readonly filled: boolean;
}): JSX.Element {
  return (
    <g style={{ stroke: color, fill: color }}>
      {filled ? <path class="chart-area" d={area} /> : null}
      <path class="chart-line" d={path} stroke-dasharray={dash} />
      {dots.map(({ x, y }) => (
        <circle key={x} cx={x} cy={y} r={2.5} />
      ))}
    </g>
  );
}

function timeOfDay(seconds: number): string {
  return clockTime(seconds * 1_000);
}

function plainly(x: number): string {
  return x.toLocaleString("en");
}
