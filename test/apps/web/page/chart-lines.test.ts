import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type ChartData, drawChart } from "../../../../apps/web/page/ui/chart-lines.ts";

const space = { width: 600, height: 160, time: false, formatX: String };
const textsOf = (marks: readonly { readonly text: string }[]): string[] =>
  marks.map(({ text }) => text);

describe("a chart's drawing", () => {
  it("has marks that a hand would choose, from zero to above the highest", () => {
    const { marksY, marksX } = drawChart(
      [
        [1, 2, 3],
        [3, 8, 5],
      ],
      space,
    );
    assert.deepEqual(textsOf(marksY), ["0", "5"]);
    assert.deepEqual(textsOf(marksX), ["1", "2", "3"]);
    const large = drawChart(
      [
        [0, 60],
        [4_800, 5_100],
      ],
      space,
    );
    assert.deepEqual(textsOf(large.marksY), ["0", "2,000", "4,000"]);
    const small = drawChart(
      [
        [0, 1],
        [0.01, 0.3],
      ],
      space,
    );
    assert.deepEqual(textsOf(small.marksY), ["0", "0.2"]);
  });

  it("has marks of time at whole seconds, half minutes, minutes", () => {
    const xs = Array.from({ length: 61 }, (_, second) => 1_000_007 + second);
    const { marksX } = drawChart([xs, xs.map(() => 1)], {
      ...space,
      time: true,
      formatX: (x) => `at ${x}`,
    });
    assert.ok(marksX.length >= 2);
    for (const { text } of marksX) assert.equal(Number(text.slice(3)) % 5, 0, text);
  });

  it("breaks a line at a gap, and shows a point that is alone", () => {
    const { lines } = drawChart(
      [
        [0, 1, 2, 3, 4],
        [1, 2, null, 3, null],
      ],
      {
        ...space,
        width: 100,
      },
    );
    const [line] = lines;
    assert.equal(line?.path.match(/M/g)?.length, 1);
    assert.equal(line.dots.length, 1);
  });

  it("shows nothing but the lowest marks where there is nothing yet", () => {
    const { lines, marksX, marksY } = drawChart([[], []], space);
    assert.deepEqual(lines, [{ path: "", area: "", dots: [] }]);
    assert.deepEqual(marksX, []);
    assert.deepEqual(textsOf(marksY), ["0", "1"]);
  });

  it("keeps everything inside, whatever the values and the room are", () => {
    const point = fc.tuple(
      fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      fc.option(fc.double({ min: 0, max: 1e9, noNaN: true })),
    );
    fc.assert(
      fc.property(
        fc.array(point, { maxLength: 80 }),
        fc.integer({ min: 1, max: 2_000 }),
        fc.integer({ min: 60, max: 400 }),
        fc.boolean(),
        (points, width, height, time) => {
          let x = 0;
          const xs = points.map(([further]) => (x += further));
          const data: ChartData = [xs, points.map(([, y]) => y)];
          const drawing = drawChart(data, { width, height, time, formatX: (at) => at.toFixed(0) });
          const { left, right, top, bottom, marksX, marksY, lines } = drawing;
          assert.ok(marksX.length <= 100 && marksY.length <= 20);
          for (const { at } of marksX) assert.ok(at >= 0 && at <= width);
          for (const { at } of marksY) assert.ok(at >= top - 1e-6 && at <= bottom + 1e-6);
          for (const { path, dots } of lines) {
            const places = [...path.matchAll(/[ML]([\d.e+-]+) ([\d.e+-]+)/g)].map(([, px, py]) => ({
              x: Number(px),
              y: Number(py),
            }));
            for (const place of [...places, ...dots]) {
              assert.ok(place.x >= left - 0.1 && place.x <= right + 0.1, `x ${place.x}`);
              assert.ok(place.y >= top - 0.1 && place.y <= bottom + 0.1, `y ${place.y}`);
            }
          }
        },
      ),
    );
  });
});
