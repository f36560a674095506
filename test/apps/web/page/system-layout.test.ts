import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  type Box,
  cut,
  layoutOf,
  type PageState,
} from "../../../../apps/web/page/system/layout.ts";
import type { Picture } from "../../../../apps/web/page/system/picture.ts";

// By itself it makes few things of many parts, and short names.
fc.configureGlobal({ baseSize: "medium" });

/** Short and long ones. Made of numbers, which is much faster than by a pattern. */
const name = fc
  .tuple(fc.nat(100_000), fc.nat(15))
  .map(([number, parts]) => `n${number}${"-part".repeat(parts)}`);
const instance = fc.record(
  {
    id: name,
    index: fc.oneof(fc.nat(99), fc.constant(null)),
    state: fc.constantFrom("starting", "live", "restarting", "stopping"),
    starts: fc.nat(9),
  },
  { requiredKeys: ["id", "index", "state"] },
);
const version = fc.record({
  version: fc.oneof({ arbitrary: name, weight: 9 }, { arbitrary: fc.constant(""), weight: 1 }),
  share: fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constant(null)),
  instances: fc.array(instance, { maxLength: 30 }),
});
const unique = <T>(
  arbitrary: fc.Arbitrary<T>,
  selector: (value: T) => string,
  maxLength: number,
): fc.Arbitrary<T[]> => fc.uniqueArray(arbitrary, { selector, maxLength });
const service = fc.record(
  {
    service: fc.oneof(name, fc.constantFrom("default", "m")),
    kind: fc.constantFrom("standard", "flexible"),
    scaling: fc.constantFrom("automatic", "manual"),
    versions: unique(version, (one) => one.version, 8),
    nats: fc.boolean(),
    idleVersions: fc.nat(200),
  },
  { requiredKeys: ["service", "versions"] },
);
const subscription = fc.record(
  { name, service: fc.oneof(name, fc.constantFrom("", "m")), index: fc.nat(99) },
  { requiredKeys: ["name", "service"] },
);
const pictures: fc.Arbitrary<Picture> = fc.record({
  services: unique(service, (one) => one.service, 8),
  rules: fc.array(
    fc.record({ path: fc.string({ maxLength: 100 }), service: fc.oneof(name, fc.constant("m")) }),
    { maxLength: 20 },
  ),
  nats: unique(
    fc.record(
      {
        name,
        state: fc.constantFrom("declared", "starting", "live", "restarting"),
        starts: fc.nat(9),
      },
      { requiredKeys: ["name", "state"] },
    ),
    (one) => one.name,
    9,
  ),
  topics: unique(
    fc.record({ name, subscriptions: fc.array(subscription, { maxLength: 20 }) }),
    (one) => one.name,
    4,
  ),
});

const pages: fc.Arbitrary<PageState | undefined> = fc.constantFrom(
  undefined,
  "connected",
  "connecting",
  "disconnected",
);

function always(property: (picture: Picture, page: PageState | undefined) => void): void {
  fc.assert(fc.property(pictures, pages, property), { numRuns: 100 });
}

const bottom = ({ y, height }: Box): number => y + height;
const right = ({ x, width }: Box): number => x + width;
/** Figures are sums of fractions. */
const hair = 1e-6;

function isWithin(inner: Box, outer: Pick<Box, "x" | "y" | "width" | "height">): boolean {
  return (
    inner.x >= outer.x - hair &&
    inner.y >= outer.y - hair &&
    right(inner) <= outer.x + outer.width + hair &&
    bottom(inner) <= outer.y + outer.height + hair
  );
}

function overlap(a: Box, b: Box): boolean {
  return (
    a.x < right(b) - hair &&
    b.x < right(a) - hair &&
    a.y < bottom(b) - hair &&
    b.y < bottom(a) - hair
  );
}

describe("the layout of the system's picture", () => {
  it("has every box in the drawing, and in the box that holds it, which comes before it", () => {
    always((picture, page) => {
      const { boxes, width, height } = layoutOf(picture, page);
      const before = new Map<string, Box>();
      for (const box of boxes) {
        assert.ok(isWithin(box, { x: 0, y: 0, width, height }), box.id);
        assert.ok(box.width > 0 && box.height > 0, box.id);
        if (box.inside !== undefined) {
          const holder = before.get(box.inside);
          assert.ok(holder !== undefined && isWithin(box, holder), box.id);
        }
        before.set(box.id, box);
      }
    });
  });

  it("lets no two boxes overlap but one that holds the other", () => {
    always((picture, page) => {
      const { boxes } = layoutOf(picture, page);
      for (const [index, a] of boxes.entries()) {
        for (const b of boxes.slice(index + 1)) {
          if (a.inside !== b.inside) continue;
          assert.ok(!overlap(a, b), `${a.id} and ${b.id}`);
        }
      }
    });
  });

  it("gives every box an id of its own", () => {
    always((picture, page) => {
      const ids = layoutOf(picture, page).boxes.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length, ids.join(" "));
    });
  });

  it("cuts what is longer than its room, and keeps the whole of it in the title", () => {
    always((picture, page) => {
      for (const { id, text, detail = "", title, width } of layoutOf(picture, page).boxes) {
        // 6.5 px is what a letter of this size takes on the average.
        assert.ok((text.length + detail.length) * 6.5 <= width, `${id}: ${text} ${detail}`);
        if (text.endsWith("…")) assert.ok(title.includes(text.slice(0, -1)), id);
      }
      for (const { service } of picture.services) {
        assert.ok(layoutOf(picture, page).boxes.some(({ title }) => title === service));
      }
    });
  });

  it("shows or counts every instance, version, rule, machine and subscription", () => {
    always((picture, page) => {
      const { boxes } = layoutOf(picture, page);
      const count = (holder: string, kinds: readonly Box["kind"][], more: RegExp): number => {
        const inside = boxes.filter((box) => box.inside === holder);
        const rest = inside.flatMap(({ text }) => {
          const [, number] = more.exec(text) ?? [];
          return number === undefined ? [] : [Number(number)];
        });
        const shown = inside.filter(({ kind }) => kinds.includes(kind)).length;
        return rest.reduce((sum, number) => sum + number, shown);
      };
      for (const { service, versions } of picture.services) {
        const holder = `service/${service}`;
        assert.equal(count(holder, ["version"], /^and (\d+) versions more$/), versions.length);
        if (versions.length > 4) continue;
        const instances = versions.reduce((sum, one) => sum + one.instances.length, 0);
        assert.equal(count(holder, ["instance"], /^\+ (\d+)$/), instances);
      }
      const all = picture.services.some(({ service }) => service === "default") ? 1 : 0;
      assert.equal(count("rules", ["row"], /^and (\d+) rules more$/), picture.rules.length + all);
      assert.equal(count("nats", ["instance"], /^and (\d+) machines more$/), picture.nats.length);
      for (const { name: topic, subscriptions } of picture.topics) {
        const counted = count(`topic/${topic}`, ["row"], /^and (\d+) subscriptions more$/);
        assert.equal(counted, subscriptions.length);
      }
    });
  });

  it("draws lines from a box to a box, inside of the drawing", () => {
    always((picture, page) => {
      const { boxes, lines, width, height } = layoutOf(picture, page);
      const ids = new Set(boxes.map(({ id }) => id));
      for (const { id, from, to, path } of lines) {
        assert.ok(ids.has(from) && ids.has(to), id);
        const figures = path.match(/-?[\d.]+(e[-+]?\d+)?/g)?.map(Number) ?? [];
        assert.equal(figures.length, 8, path);
        for (const [index, figure] of figures.entries()) {
          const limit = index % 2 === 0 ? width : height;
          assert.ok(figure >= -hair && figure <= limit + hair, `${id}: ${path}`);
        }
      }
      assert.equal(new Set(lines.map(({ id }) => id)).size, lines.length);
    });
  });

  it("draws what is declared: each rule to its service, each service to NATS, each subscription", () => {
    const { boxes, lines } = layoutOf({
      services: [
        { service: "default", kind: "standard", scaling: "automatic", versions: [] },
        { service: "ws", kind: "flexible", scaling: "automatic", versions: [], nats: true },
        { service: "m", kind: "standard", scaling: "manual", versions: [], nats: true },
      ],
      rules: [{ path: "/ws*", service: "ws" }],
      nats: [{ name: "nats-0", state: "declared" }],
      topics: [{ name: "m-changes", subscriptions: [{ name: "m-0", service: "m", index: 0 }] }],
    });
    assert.deepEqual(lines.map(({ kind, from, to }) => `${kind}: ${from} → ${to}`).sort(), [
      "bus: service/m → nats",
      "bus: service/ws → nats",
      "push: topic/m-changes/0 → service/m",
      "request: client → rules",
      "request: rule/0 → service/ws",
      "request: rule/else → service/default",
    ]);
    assert.deepEqual(
      boxes.filter(({ inside }) => inside === "service/m").map(({ text }) => text),
      ["declared, not there"],
    );
  });

  it("has something to draw of nothing", () => {
    const { width, height, boxes } = layoutOf({ services: [], rules: [], nats: [], topics: [] });
    assert.ok(width > 0 && height > 0);
    assert.deepEqual(
      boxes.map(({ id }) => id),
      ["client", "client/all", "rules"],
    );
    for (const box of boxes) assert.ok(isWithin(box, { x: 0, y: 0, width, height }), box.id);
  });
});

describe("this page in the picture", () => {
  const nothing = { services: [], rules: [], nats: [], topics: [] };

  it("is a client whose state stands there as a word, and its line tells of it, too", () => {
    for (const [page, text, tone] of [
      ["connected", "this page", undefined],
      ["connecting", "connecting", "busy"],
      ["disconnected", "offline", "busy"],
    ] as const) {
      const { boxes, lines } = layoutOf(nothing, page);
      assert.equal(boxes.find(({ id }) => id === "client/page")?.text, text);
      assert.equal(lines.find(({ from }) => from === "client")?.tone, tone);
    }
  });
});

describe("a process in the picture", () => {
  it("says in a word what it does when it does not just live, and can be killed where it may", () => {
    const kill = { service: "ws", version: "v1", index: 0 };
    const instance = { id: "ws.0", index: 0, starts: 2, kill };
    for (const [state, detail] of [
      ["live", undefined],
      ["restarting", "restarts"],
      ["starting", "starts"],
      ["stopping", "stops"],
    ] as const) {
      const versions = [{ version: "v1", share: 1, instances: [{ ...instance, state }] }];
      const { boxes } = layoutOf({
        services: [{ service: "ws", versions, nats: true }],
        nats: [{ name: "nats-0", state: "restarting" }],
        ...{ rules: [], topics: [] },
      });
      const box = boxes.find(({ kind }) => kind === "instance");
      assert.deepEqual([box?.text, box?.detail], ["ws.0", detail]);
      assert.equal(box?.title, `ws.0: ${state}, started 2 times`);
      assert.deepEqual(box.kill, { name: "ws.0", target: kill });
    }
  });

  it("of NATS shows with the lines to it that it is away", () => {
    for (const [state, tone] of [
      ["live", undefined],
      ["declared", undefined],
      ["restarting", "busy"],
    ] as const) {
      const { lines } = layoutOf({
        services: [{ service: "add", versions: [], nats: true }],
        nats: [{ name: "nats-0", state }],
        ...{ rules: [], topics: [] },
      });
      assert.equal(lines.find(({ kind }) => kind === "bus")?.tone, tone);
    }
  });
});

describe("a text in its room", () => {
  it("is whole where it fits, and ends in an ellipsis where it does not", () => {
    assert.equal(cut("short", 100), "short");
    assert.equal(cut("a long name", 40), "a lo…");
    assert.equal(cut("any", 0), "…");
  });
});
