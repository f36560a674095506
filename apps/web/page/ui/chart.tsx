import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";
import { clockTime } from "./format.ts";

export interface ChartSeries {
  readonly label: string;
  /** A custom property of colours, e.g. `--series-1`. */
  readonly color: string;
}

/** Columns: x, then one for each series. */
export type ChartData = readonly [x: readonly number[], ...y: (readonly (number | null)[])[]];

/** Lines differ by their dashes too, not by colour alone. */
const dashes: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [9, 3, 2, 3]];

const counts = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((n) => [n, 2 * n, 5 * n]);

/**
 * A line chart from zero up. The picture says nothing to who cannot see it: `summary` does. How many
 * points there are is bounded by who makes `data`; a chart of more than its pixels is a waste.
 */
export function Chart({
  title,
  summary,
  series,
  data,
  height = 160,
  time = false,
  unit,
  formatX,
}: {
  readonly title: string;
  /** The last values in a sentence. */
  readonly summary: string;
  readonly series: readonly ChartSeries[];
  readonly data: ReadonlySignal<ChartData>;
  readonly height?: number;
  /** Whether x is in seconds since 1970; else it is any number. */
  readonly time?: boolean;
  readonly unit?: string;
  /** What stands below a mark of x; the time of day, or the number, where it is left out. */
  readonly formatX?: (x: number) => string;
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const id = useId();
  // Made anew on each render of the parent, most likely with the same in it.
  const drawn = useRef({ series, formatX });
  drawn.current = { series, formatX };
  const kinds = series.map(({ label, color }) => `${label} ${color}`).join();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const paint = new Paint(element);
    const axis: uPlot.Axis = {
      stroke: () => paint.of("var(--quiet)"),
      grid: { stroke: () => paint.of("var(--line)"), width: 1 },
      ticks: { show: false },
      font: `12px ${getComputedStyle(element).fontFamily}`,
      gap: 6,
    };
    const label = (x: number): string =>
      drawn.current.formatX?.(x) ??
      (time ? clockTime(new Date(x * 1_000)) : x.toLocaleString("en"));
    const lines = drawn.current.series;
    const plot = new uPlot(
      {
        width: Math.max(element.clientWidth, 1),
        height,
        cursor: { show: false },
        legend: { show: false },
        // Below too: without values the lower axis takes no room, and the last number would be cut.
        padding: [8, null, 8, 0],
        scales: {
          x: { time },
          // A little room above the highest; from 0 to 1 where there is nothing yet.
          y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.1 : 1] },
        },
        axes: [
          {
            ...axis,
            size: 22,
            // What is not time is counted.
            ...(time ? {} : { incrs: [...counts] }),
            space: time ? 84 : 56,
            values: (_plot, marks) => marks.map(label),
          },
          {
            ...axis,
            space: 32,
            // As wide as its widest number.
            size: (_plot, values: string[] | null) =>
              Math.max(0, ...(values ?? []).map((value) => value.length)) * 7 + 14,
          },
        ],
        series: [
          {},
          ...lines.map((one, index) => ({
            label: one.label,
            stroke: () => paint.of(`var(${one.color})`),
            width: 2,
            dash: [...(dashes[index % dashes.length] ?? [])],
            points: { space: 20, size: 6, fill: () => paint.of(`var(${one.color})`) },
            ...(lines.length === 1
              ? { fill: () => paint.of(`color-mix(in srgb, var(${one.color}) 14%, transparent)`) }
              : {}),
          })),
        ],
      },
      data.peek() as uPlot.AlignedData,
      element,
    );
    const stop = data.subscribe((columns) => {
      plot.setData(columns as uPlot.AlignedData);
    });
    const resized = new ResizeObserver(() => {
      if (element.clientWidth > 0) plot.setSize({ width: element.clientWidth, height });
    });
    resized.observe(element);
    const stopPaint = paint.onChange(() => {
      plot.redraw();
    });
    return () => {
      stopPaint();
      resized.disconnect();
      stop();
      plot.destroy();
    };
  }, [data, height, time, kinds]);
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption>
        <span id={id}>
          {title}
          {unit === undefined ? "" : ` (${unit})`}
        </span>
        {series.length < 2 ? null : (
          <ul class="chart-key">
            {series.map((one, index) => (
              <li key={one.label}>
                <svg aria-hidden="true" style={{ stroke: `var(${one.color})` }}>
                  <line
                    x2="24"
                    y1="1"
                    y2="1"
                    stroke-dasharray={dashes[index % dashes.length]?.join(" ")}
                  />
                </svg>
                {one.label}
              </li>
            ))}
          </ul>
        )}
      </figcaption>
      <div ref={place} class="chart-place" aria-hidden="true" />
      <p class="chart-summary">{summary}</p>
    </figure>
  );
}

/** What colours are at a place of the page, in the words of a canvas, which knows no custom properties. */
class Paint {
  readonly #element: HTMLElement;
  readonly #known = new Map<string, string>();

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  of(color: string): string {
    const known = this.#known.get(color);
    if (known !== undefined) return known;
    const style = this.#element.style;
    style.color = color;
    const painted = getComputedStyle(this.#element).color;
    style.color = "";
    this.#known.set(color, painted);
    return painted;
  }

  /** Calls `repaint` when the person changes the colours. */
  onChange(repaint: () => void): () => void {
    const end = new AbortController();
    for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
      matchMedia(query).addEventListener(
        "change",
        () => {
          this.#known.clear();
          repaint();
        },
        { signal: end.signal },
      );
    }
    return () => {
      end.abort();
    };
  }
}
