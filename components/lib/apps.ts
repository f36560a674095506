import type { App } from "./bundle.ts";

/** The apps of this repository: what is deployed of each folder below `apps/`. */
export const apps = {
  web: {
    folder: "apps/web",
    files: {
      "page/index.html": "page/index.html",
    },
    browserBundles: {
      "page/console.js": "page/main.tsx",
      "page/console.css": "page/console.css",
    },
  },
  add: { folder: "apps/add" },
  ws: { folder: "apps/ws" },
  m: { folder: "apps/m" },
} as const satisfies Readonly<Record<string, App>>;
