import { type Stage, telling, type Visit } from "./stage.ts";

/** A state that a view was designed for, and how a person or a misfortune gets it there. */
export interface ConsoleState {
  /** Of its pictures: `docs/images/<name>-<width>.png`. */
  readonly name: string;
  readonly hash: string;
  /** Whether it needs the service m, and so Google's emulators. */
  readonly withM?: boolean;
  /** Whether others would notice how it is reached. */
  readonly alone?: boolean;
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
export const failedRequest =
  /Failed to load resource|net::ERR_|^error: WebSocket connection to \S+ failed/;

/** Requests for a path that never have an answer. */
export const silent =
  (path: string) =>
  async (visit: Visit): Promise<void> => {
    await visit.page.route(`**${path}`, () => undefined);
  };

/** Requests for a path that are answered in the system's place. */
export const answers =
  (path: string, status: number, body: object) =>
  async (visit: Visit): Promise<void> => {
    visit.expected.push(failedRequest);
    await visit.page.route(`**${path}`, (route) => route.fulfill({ status, json: body }));
  };

/** The page as another environment's default service would tell it to be. */
export const settings =
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
