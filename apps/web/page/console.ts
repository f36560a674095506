import type { ConsoleSettings } from "./settings.ts";

/** Everything behind the views; it lives as long as the page. */
export interface Console {
  readonly settings: ConsoleSettings;
}

/** Makes the models and ties them together. */
export function createConsole(settings: ConsoleSettings): Console {
  return { settings };
}
