import type { App } from "./bundle.ts";

/** The apps of this repository: what is deployed of each folder below `apps/`. */
export const apps = {
  web: {
    folder: "apps/web",
    files: {
      "page/index.html": "page/index.html",
      "page/realtime.html": "page/realtime.html",
      "page/style.css": "page/style.css",
    },
    browserBundles: {
      "page/page.js": "page/page.ts",
      "page/realtime.js": "page/realtime.ts",
    },
  },
  add: { folder: "apps/add" },
  ws: { folder: "apps/ws" },
  m: { folder: "apps/m" },
} as const satisfies Readonly<Record<string, App>>;
