/** Columns: x in ascending order, then one for each line; null where a line has a gap. */
export type ChartData = readonly [x: readonly number[], ...y: (readonly (number | null)[])[]];

export interface ChartMark {
  /** In pixels. */
  readonly at: number;
  readonly text: string;
}

export interface ChartLine {
  /** For `d` of an SVG path. */
  readonly path: string;
  /** The same down to zero. */
  readonly area: string;
  /** Points that stand alone, or far enough from each other to be seen. */
  readonly dots: readonly { readonly x: number; readonly y: number }[];
}

export interface ChartDrawing {
  /** Of the field in which the lines are, in pixels. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
  readonly marksX: readonly ChartMark[];
  readonly marksY: readonly ChartMark[];
  readonly lines: readonly ChartLine[];
}

export interface ChartSpace {
  readonly width: number;
  readonly height: number;
  /** Whether x is in seconds. */
  readonly time: boolean;
  readonly formatX: (x: number) => string;
}

/** Of a digit at the size of the marks, in pixels. */
const digit = 7;
const counted = [1, 2, 5];
const timed = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600];

/** Where everything of a chart from zero up stands. */
export function drawChart(data: ChartData, space: ChartSpace): ChartDrawing {
  const { width, height, time, formatX } = space;
  const [xs, ...columns] = data;
  const highest = Math.max(0, ...columns.map((ys) => ys.reduce<number>(higher, 0)));
  const [top, bottom] = [8, height - 22];
  // A little room above the highest.
  const span = highest > 0 ? highest * 1.1 : 1;
  const fittingY = Math.max(1, Math.floor((bottom - top) / 36));
  // Where there is nothing, halves of one say nothing either.
  const stepY = highest > 0 ? stepOf(span / fittingY) : span;
  const valuesY = multiples(0, span, stepY);
  const textsY = valuesY.map((value) => value.toLocaleString("en", { maximumFractionDigits: 6 }));
  const left = Math.max(0, ...textsY.map((text) => text.length)) * digit + 10;
  // Half of a short mark.
  const right = Math.max(left + 1, width - 10);
  const placeY = (y: number): number => bottom - (y / span) * (bottom - top);

  const [first = 0] = xs;
  const last = xs.at(-1) ?? 0;
  const placeX = (x: number): number =>
    // One point alone stands in the middle.
    last > first ? left + ((x - first) / (last - first)) * (right - left) : (left + right) / 2;
  const widest = xs.length === 0 ? 1 : Math.max(formatX(first).length, formatX(last).length);
  const fitting = Math.max(1, Math.floor((right - left) / (widest * digit + 24)));
  const least = (last - first) / fitting;
  const stepX = time
    ? (timed.find((step) => step >= least) ?? 86_400 * Math.ceil(least / 86_400))
    : Math.max(1, stepOf(least));
  const half = (widest * digit) / 2;
  const marksX = (xs.length === 0 ? [] : multiples(first, last, stepX))
    .map((x) => ({ at: placeX(x), text: formatX(x) }))
    // A text that would be cut is left out.
    .filter(({ at }) => at - half >= 0 && at + half <= width);

  const wide = xs.length > 1 ? (right - left) / (xs.length - 1) : right - left;
  return {
    ...{ left, right, top, bottom },
    marksX,
    marksY: valuesY.map((value, index) => ({ at: placeY(value), text: textsY[index] ?? "" })),
    lines: columns.map((ys) => lineOf(xs.map(placeX), ys.map(placed(placeY)), bottom, wide >= 20)),
  };
}

function placed(place: (y: number) => number): (y: number | null) => number | null {
  return (y) => (y === null ? null : place(y));
}

function higher(highest: number, y: number | null): number {
  return y === null ? highest : Math.max(highest, y);
}

function lineOf(
  xs: readonly number[],
  ys: readonly (number | null)[],
  bottom: number,
  sparse: boolean,
): ChartLine {
  let [path, area] = ["", ""];
  const dots: { x: number; y: number }[] = [];
  let run: { x: number; y: number }[] = [];
  const end = (): void => {
    const [first] = run;
    const last = run.at(-1);
    if (first !== undefined && last !== undefined) {
      if (sparse || run.length === 1) dots.push(...run);
      if (run.length > 1) {
        const points = run.map(({ x, y }) => `${round(x)} ${round(y)}`).join("L");
        path += `M${points}`;
        area += `M${round(first.x)} ${bottom}L${points}L${round(last.x)} ${bottom}Z`;
      }
    }
    run = [];
  };
  for (const [index, x] of xs.entries()) {
    const y = ys[index] ?? null;
    if (y === null) end();
    else run.push({ x, y });
  }
  end();
  return { path, area, dots };
}

/** Of what a hand would choose, the smallest step that is no smaller. */
function stepOf(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [...counted, 10].find((one) => one * power >= least * 0.999_999) ?? 10;
  return factor * power;
}

function multiples(from: number, to: number, step: number): number[] {
  const values: number[] = [];
  for (let count = Math.ceil(from / step - 1e-9); count * step <= to * (1 + 1e-12); count++) {
    // Not 0.30000000000000004.
    values.push(Number((count * step).toPrecision(12)));
    // Whatever is asked for, no picture has room for more.
    if (values.length >= 100) break;
  }
  return values;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
