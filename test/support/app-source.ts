import type { TestContext } from "node:test";
import { AppSource } from "../../components/app-source.ts";
import { SourceBucket } from "../../components/source-bucket.ts";
import { temporaryCheckout } from "./checkout.ts";

/** Declares the archive of a smallest app; for use inside `record`. */
export function smallSource(t: TestContext, service: string, text = "hello"): AppSource {
  const root = temporaryCheckout(t, { "apps/small/main.ts": `console.log("${text}");\n` });
  return new AppSource(`${service}-source`, {
    service,
    app: { folder: "apps/small" },
    bucket: new SourceBucket("sources", { project: "my-project", location: "europe-west3" }),
    root,
  });
}
