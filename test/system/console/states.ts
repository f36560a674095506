/** Every state that a view was designed for, and how a person or a misfortune gets it there. */
import { type Stage, telling, type Visit } from "./stage.ts";

export interface ConsoleState {
  /** Of its pictures: `docs/images/<name>-<width>.png`. */
  readonly name: string;
  readonly hash: string;
  /** Before the page is opened: what is between it and the system. */
  readonly before?: (visit: Visit) => Promise<void>;
  /** Until the state is there. */
  readonly reach: (visit: Visit) => Promise<void>;
}

/** The widths at which each is looked at: a small phone, and a window on a desk. */
export const widths = [360, 1_280] as const;

/** Of a state's picture in docs/images. */
export function pictureName({ name }: ConsoleState, width: number): string {
  return `${name}-${width}.png`;
}

/** A complaint of the browser itself about a request that comes to nothing. */
const failedRequest = /Failed to load resource|net::ERR_/;

/** Requests for a path that never have an answer. */
const silent = (path: string) => async (visit: Visit) => {
  await visit.page.route(`**${path}`, () => undefined);
};

/** Requests for a path that are answered in the system's place. */
const answers =
  (path: string, status: number, body: object) =>
  async (visit: Visit): Promise<void> => {
    visit.expected.push(failedRequest);
    await visit.page.route(`**${path}`, (route) => route.fulfill({ status, json: body }));
  };

/** The page as another environment's default service would tell it to be. */
const settings =
  (change: object) =>
  async (visit: Visit): Promise<void> => {
    await visit.page.route("**/console.json", async (route) => {
      const response = await route.fetch();
      await route.fulfill({
        response,
        json: { ...((await response.json()) as object), ...change },
      });
    });
  };

const frame: readonly ConsoleState[] = [
  {
    name: "page-loading",
    hash: "",
    before: silent("/console.json"),
    reach: (visit) => visit.sees("Loading …"),
  },
  {
    name: "page-failed",
    hash: "",
    before: answers("/console.json", 500, {}),
    reach: (visit) => visit.sees("The console cannot start."),
  },
];

const live: readonly ConsoleState[] = [
  {
    name: "live",
    hash: "#/live",
    reach: async (visit) => {
      await visit.connected();
      await visit.region("What happened").getByText("Subscribed to add").first().waitFor();
      await visit.button("Drop the connection").click();
      await visit.sees("3 messages recovered");
    },
  },
  {
    name: "live-away",
    hash: "#/live",
    reach: async (visit) => {
      visit.expected.push(failedRequest);
      await visit.connected();
      await visit.page.context().setOffline(true);
      await visit.button("Try now").waitFor();
    },
  },
  {
    name: "live-disconnected",
    hash: "#/live",
    reach: async (visit) => {
      await visit.connected();
      await visit.button("Disconnect").click();
      await visit.sees("Not connected");
    },
  },
  {
    name: "live-without-token",
    hash: "#/live",
    before: settings({ demoTokens: false, anonymous: false }),
    reach: (visit) => visit.sees("The gateway wants a token"),
  },
  {
    name: "live-no-issuer",
    hash: "#/live",
    before: answers("/console/token", 503, {
      error: { code: "unavailable", message: "the key is not to be had" },
    }),
    reach: (visit) => visit.button(/^(Connect|Try now)$/).waitFor(),
  },
];

const calculator: readonly ConsoleState[] = [
  {
    name: "try-empty",
    hash: "#/try",
    reach: async (visit) => {
      await visit.connected();
      await visit.sees("Nothing has been asked yet.");
    },
  },
  {
    name: "try",
    hash: "#/try",
    reach: async (visit) => {
      await visit.connected();
      const rows = visit.region("The last ten").getByRole("row");
      for (const [name, count] of [
        ["Sum", 2],
        ["Concat", 3],
      ] as const) {
        await visit.button(name).click();
        await rows
          .nth(count - 1)
          .getByText(/^[\d.]+ m?s$/)
          .nth(1)
          .waitFor();
      }
    },
  },
  {
    name: "try-invalid",
    hash: "#/try",
    reach: async (visit) => {
      await visit.connected();
      await visit.page
        .getByRole("form", { name: "Sum" })
        .getByLabel("a", { exact: true })
        .fill("forty");
      await visit.button("Sum").click();
      await visit.page.locator("[aria-invalid=true]").waitFor();
    },
  },
  {
    name: "try-unavailable",
    hash: "#/try",
    before: answers("/api/add/*", 503, {
      error: { code: "unavailable", message: "NATS cannot be reached" },
    }),
    reach: async (visit) => {
      await visit.connected();
      await visit.button("Sum").click();
      await visit.page.getByRole("alert").waitFor();
    },
  },
  {
    name: "try-disconnected",
    hash: "#/live",
    reach: async (visit) => {
      await visit.connected();
      await visit.button("Disconnect").click();
      await visit.go("Try it");
      await visit.sees("Not connected");
    },
  },
];

export const states: readonly ConsoleState[] = [...frame, ...live, ...calculator];

/** Opens the page in a state; who looks at it closes it. */
export async function visitState(
  stage: Stage,
  { hash, before, reach }: ConsoleState,
  width: number = widths[0],
): Promise<Visit> {
  const visit = await stage.visit(windowOf(width));
  try {
    await telling(visit, async () => {
      await before?.(visit);
      await visit.open(hash);
      await reach(visit);
    });
    return visit;
  } catch (error) {
    await visit[Symbol.asyncDispose]();
    throw error;
  }
}

export function windowOf(width: number): { readonly width: number; readonly height: number } {
  return { width, height: width < 1_000 ? 740 : 800 };
}
