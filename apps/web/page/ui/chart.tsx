import type { ReadonlySignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import uPlot from "uplot";

export interface ChartSeries {
  readonly label: string;
  /** A custom property of colours, e.g. `--series-1`. */
  readonly color: string;
}

/** Columns: x, then one for each series. */
export type ChartData = readonly [x: readonly number[], ...y: (readonly (number | null)[])[]];

/** A line chart. The picture says nothing to who cannot see it: `summary` does. */
export function Chart({
  title,
  summary,
  series,
  data,
  height = 160,
  time = false,
  unit,
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
}): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const id = useId();
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const color = (name: string): string => getComputedStyle(element).getPropertyValue(name).trim();
    const axis = {
      stroke: () => color("--quiet"),
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { show: false },
    };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height,
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time } },
        axes: [axis, { ...axis, size: 56 }],
        series: [
          {},
          ...series.map((one) => ({
            label: one.label,
            stroke: () => color(one.color),
            width: 2,
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
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = (): void => {
      plot.redraw();
    };
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      resized.disconnect();
      stop();
      plot.destroy();
    };
  }, [data, height, time]);
  return (
    <figure class="chart" aria-labelledby={id}>
      <figcaption id={id}>
        {title}
        {unit === undefined ? "" : ` (${unit})`}
      </figcaption>
      <div ref={place} class="chart-place" aria-hidden="true" />
      <p class="chart-summary">{summary}</p>
    </figure>
  );
}
